//! `goproxy-check` as CI and init containers call it: what it prints and how it ends.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const MINIMAL: &str = r#"{"upstreams": [{"name": "public", "target": "goproxy_public", "authority": "proxy.golang.org"}],
    "routes": [{"modules": ["*"], "chain": ["public"]}]}"#;

const BOOTSTRAP: &str = r#"
static_resources:
  listeners:
  - name: gateway
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          http_filters:
          - name: goproxy
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: goproxy
                vm_config: {runtime: envoy.wasm.runtime.v8}
                configuration:
                  "@type": type.googleapis.com/google.protobuf.StringValue
                  value: |
                    {"upstreams": [{"name": "public", "target": "TARGET", "authority": "proxy.golang.org"}],
                     "routes": [{"modules": ["*"], "chain": ["public"]}]}
  clusters:
  - name: goproxy_public
  - name: sumdb_public
"#;

/// A folder of a test's own, without what an earlier run left.
fn folder(name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn check(
    folder: &Path,
    arguments: &[&str],
    input: &str,
) -> Result<(i32, String, String), Box<dyn Error>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goproxy-check"));
    command.args(arguments).current_dir(folder);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    // A program that does not read its input is none the worse for it.
    let _ = child
        .stdin
        .take()
        .map(|mut stdin| stdin.write_all(input.as_bytes()));
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output()?;
    Ok((
        status.code().ok_or("no exit status")?,
        String::from_utf8(stdout)?,
        String::from_utf8(stderr)?,
    ))
}

#[test]
fn a_good_configuration_is_told_on_standard_output() -> Result<(), Box<dyn Error>> {
    let folder = folder("good")?;
    fs::write(folder.join("a.json"), MINIMAL)?;
    let (status, out, err) = check(&folder, &["a.json", "-"], MINIMAL)?;
    assert_eq!(err, "");
    let ok = "ok (upstreams: 1, routes: 1, checksum databases: 0)";
    assert_eq!((status, out), (0, format!("a.json: {ok}\n-: {ok}\n")));
    Ok(())
}

#[test]
fn a_refused_configuration_is_told_with_its_file_and_path() -> Result<(), Box<dyn Error>> {
    let folder = folder("refused")?;
    fs::write(folder.join("good.json"), MINIMAL)?;
    fs::write(
        folder.join("bad.json"),
        MINIMAL.replace("\"chain\": [\"public\"]", "\"chian\": [], \"chain\": [1]"),
    )?;
    let (status, out, err) = check(&folder, &["bad.json", "good.json", "-"], "{")?;
    assert_eq!(status, 1);
    assert_eq!(
        out,
        "good.json: ok (upstreams: 1, routes: 1, checksum databases: 0)\n"
    );
    let expected = [
        "bad.json: routes[0].chian: unknown field, expected one of modules, chain, freshness",
        "bad.json: routes[0].chain[0]: expected the name of an upstream, or an object such as {\"on\": \"any_error\", \"to\": \"mirror\"}, got 1",
        "-: expected JSON, got its end at line 1 column 2",
    ];
    assert_eq!(err.lines().collect::<Vec<_>>(), expected);
    Ok(())
}

#[test]
fn what_cannot_be_checked_is_status_two() -> Result<(), Box<dyn Error>> {
    let folder = folder("unreadable")?;
    fs::write(folder.join("a.json"), MINIMAL)?;
    fs::write(folder.join("bad.json"), "{}")?;
    fs::write(folder.join("no-clusters.yaml"), "admin: {}\n")?;
    fs::write(folder.join("broken.yaml"), "a: [\n")?;
    for (arguments, message) in [
        (
            &["missing.json", "bad.json"][..],
            "goproxy-check: missing.json: No such file",
        ),
        (&[], "required arguments were not provided"),
        (&["--no-such-option", "a.json"], "unexpected argument"),
        (
            &["--envoy-config", "missing.yaml", "a.json"],
            "goproxy-check: --envoy-config: missing.yaml: No such file",
        ),
        (
            &["--envoy-config", "broken.yaml", "a.json"],
            "goproxy-check: --envoy-config: broken.yaml: ",
        ),
        (
            &["--envoy-config", "no-clusters.yaml", "a.json"],
            "expected static_resources.clusters, got none",
        ),
        (
            &["--from-envoy", "no-clusters.yaml"],
            "no-clusters.yaml: expected a wasm plugin, got []",
        ),
    ] {
        let (status, _, err) = check(&folder, arguments, "")?;
        assert_eq!(status, 2, "{arguments:?}: {err}");
        assert!(err.contains(message), "{arguments:?}: {err}");
    }
    Ok(())
}

#[test]
fn every_target_is_a_cluster_of_the_bootstrap() -> Result<(), Box<dyn Error>> {
    let folder = folder("targets")?;
    let sumdb = r#"{"sumdb": [{"name": "sum.golang.org", "target": "sumdb_public"}, {"name": "sum.corp.example", "target": "nowhere"}],
        "redirects": [{"host": "a.example", "target": "goproxy_public"}, {"host": "b.example", "target": "elsewhere"}],
        "cache": {"redis": {"gateway": "webdis", "target": "redis_http"}, "disk": {"target": "archives"}},"#;
    fs::write(folder.join("a.json"), MINIMAL.replacen('{', sumdb, 1))?;
    fs::write(folder.join("b.json"), MINIMAL)?;
    fs::write(folder.join("envoy.yaml"), BOOTSTRAP)?;
    fs::write(
        folder.join("envoy.json"),
        r#"{"staticResources": {"clusters": [{"name": "other"}]}}"#,
    )?;
    let (status, out, err) = check(
        &folder,
        &["--envoy-config", "envoy.yaml", "a.json", "b.json"],
        "",
    )?;
    let missing = "expected a cluster of envoy.yaml (goproxy_public, sumdb_public), got";
    let database = format!(r#"a.json: sumdb[1].target: {missing} "nowhere""#);
    let redirect = format!(r#"a.json: redirects.hosts[1].target: {missing} "elsewhere""#);
    let redis = format!(r#"a.json: cache.redis.target: {missing} "redis_http""#);
    let disk = format!(r#"a.json: cache.disk.target: {missing} "archives""#);
    let all = format!("{database}\n{redirect}\n{redis}\n{disk}\n");
    assert_eq!((status, err), (1, all));
    assert_eq!(
        out,
        "b.json: ok (upstreams: 1, routes: 1, checksum databases: 0)\n"
    );
    let (status, _, err) = check(&folder, &["--envoy-config", "envoy.json", "b.json"], "")?;
    let missing = r#"expected a cluster of envoy.json (other), got "goproxy_public""#;
    assert_eq!(
        (status, err),
        (1, format!("b.json: upstreams[0].target: {missing}\n"))
    );
    Ok(())
}

#[test]
fn a_cluster_that_envoy_may_yet_discover_is_only_noted() -> Result<(), Box<dyn Error>> {
    let folder = folder("cds")?;
    let cds = format!(
        "{BOOTSTRAP}dynamic_resources:\n  cds_config: {{path_config_source: {{path: cds.yaml}}}}\n"
    );
    fs::write(folder.join("envoy.yaml"), cds)?;
    let (status, out, err) = check(
        &folder,
        &["--envoy-config", "envoy.yaml", "-"],
        &MINIMAL.replace("goproxy_public", "later"),
    )?;
    let missing = r#"expected a cluster of envoy.yaml (goproxy_public, sumdb_public), got "later""#;
    let note = "(not refused: its cds_config may bring it)";
    assert_eq!(
        (status, err),
        (0, format!("-: upstreams[0].target: {missing} {note}\n"))
    );
    assert_eq!(
        out,
        "-: ok (upstreams: 1, routes: 1, checksum databases: 0)\n"
    );
    Ok(())
}

#[test]
fn a_configuration_inside_a_bootstrap_is_checked_with_its_clusters() -> Result<(), Box<dyn Error>> {
    let folder = folder("embedded")?;
    fs::write(
        folder.join("good.yaml"),
        BOOTSTRAP.replace("TARGET", "goproxy_public"),
    )?;
    fs::write(
        folder.join("bad.yaml"),
        BOOTSTRAP.replace("TARGET", "nowhere"),
    )?;
    let (status, out, err) = check(&folder, &["--from-envoy", "good.yaml"], "")?;
    assert_eq!(err, "");
    assert_eq!(status, 0);
    assert_eq!(
        out,
        "good.yaml: plugin \"goproxy\": ok (upstreams: 1, routes: 1, checksum databases: 0)\n"
    );
    let (status, _, err) = check(&folder, &["--from-envoy", "bad.yaml"], "")?;
    let missing = r#"expected a cluster of bad.yaml (goproxy_public, sumdb_public), got "nowhere""#;
    assert_eq!(
        (status, err),
        (
            1,
            format!("bad.yaml: plugin \"goproxy\": upstreams[0].target: {missing}\n")
        )
    );
    let (status, _, err) = check(
        &folder,
        &["--from-envoy", "good.yaml", "--plugin", "other"],
        "",
    )?;
    let expected = r#"expected a wasm plugin "other", got ["goproxy"]"#;
    assert_eq!(
        (status, err),
        (2, format!("goproxy-check: good.yaml: {expected}\n"))
    );
    Ok(())
}

#[test]
fn a_struct_and_an_istio_plugin_are_configurations_too() -> Result<(), Box<dyn Error>> {
    let folder = folder("istio")?;
    let istio = format!(
        "kind: Service\nmetadata: {{name: other}}\n---\nkind: WasmPlugin\nmetadata: {{name: goproxy, namespace: team-a}}\n\
         spec: {{pluginConfig: {MINIMAL}}}\n"
    );
    fs::write(folder.join("istio.yaml"), istio)?;
    let ecds = format!(
        r#"{{"resources": [{{"typed_config": {{"config": {{"name": "p", "vmConfig": {{}},
            "configuration": {{"@type": "type.googleapis.com/google.protobuf.Struct", "value": {MINIMAL}}}}}}}}}]}}"#
    );
    fs::write(folder.join("ecds.json"), &ecds)?;
    fs::write(
        folder.join("bytes.json"),
        ecds.replace("protobuf.Struct", "protobuf.BytesValue"),
    )?;
    let files = ["--from-envoy", "istio.yaml", "ecds.json", "bytes.json"];
    let (status, out, err) = check(&folder, &files, "")?;
    let ok = "ok (upstreams: 1, routes: 1, checksum databases: 0)";
    assert_eq!(
        out,
        format!("istio.yaml: plugin \"team-a.goproxy\": {ok}\necds.json: plugin \"p\": {ok}\n")
    );
    let refused = "configuration: expected a StringValue or a Struct with a value, got";
    let kind = "\"type.googleapis.com/google.protobuf.BytesValue\"";
    assert_eq!(
        (status, err),
        (1, format!("bytes.json: plugin \"p\": {refused} {kind}\n"))
    );
    Ok(())
}

#[test]
fn the_shipped_files_are_good_and_fit_together() -> Result<(), Box<dyn Error>> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy");
    let (status, out, err) = check(
        &shipped,
        &[
            "--from-envoy",
            "--envoy-config",
            "envoy.yaml",
            "plugin/goproxy.yaml",
        ],
        "",
    )?;
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(
        out.starts_with("plugin/goproxy.yaml: plugin \"goproxy\": ok "),
        "{out}"
    );
    Ok(())
}

#[test]
fn the_schema_is_printed_as_json() -> Result<(), Box<dyn Error>> {
    let (status, out, _) = check(&folder("schema")?, &["--print-schema"], "")?;
    let schema: serde_json::Value = serde_json::from_str(&out)?;
    assert_eq!((status, &schema), (0, &goproxy_core::config::json_schema()));
    Ok(())
}
