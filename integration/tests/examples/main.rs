//! The files of `envoy/examples/`, each started as its head says, against a real counterpart on loopback. Nothing in
//! them is replaced but addresses, names of files, and times that a test cannot wait for.

#[path = "../common/mod.rs"]
mod authority;
mod certificates;
mod counterparts;
mod credential;
mod example;
mod network;

use std::process::Command;

use authority::Authority;
use example::{Example, PROTOCOL, yaml};
use goproxy_integration::places;
use serde_yaml_ng::Value as Yaml;

const NAMES: [&str; 8] = [
    "base-path",
    "private-ca",
    "client-certificate",
    "credential",
    "corporate-proxy",
    "changing-dns",
    "ipv6-only",
    "health-checks",
];

#[test]
fn every_example_is_valid_and_its_cluster_is_as_the_shipped_one() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let shipped: Yaml =
        yaml(&std::fs::read_to_string(places::envoy_file("envoy.yaml").unwrap()).unwrap());
    let shipped = &shipped["static_resources"]["clusters"][0];
    let mut files: Vec<_> = std::fs::read_dir(places::envoy_file("examples").unwrap())
        .unwrap()
        .filter_map(|file| {
            Some(
                file.ok()?
                    .file_name()
                    .to_str()?
                    .strip_suffix(".yaml")?
                    .to_owned(),
            )
        })
        .collect();
    files.sort();
    let mut names = NAMES;
    names.sort_unstable();
    assert_eq!(files, names);
    for name in NAMES {
        let example = Example::read(name).ca(&authority.ca());
        let file = folder.path().join(name);
        std::fs::write(&file, example.text()).unwrap();
        let output = Command::new(places::envoy().unwrap())
            .args([
                "--mode",
                "validate",
                "--config-path",
                "envoy/envoy.yaml",
                "--config-yaml",
            ])
            .arg(example.text())
            .current_dir(places::root())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
        assert!(
            !said.contains("[warning]") && !said.contains("eprecated"),
            "{name}: {said}"
        );

        let cluster = &example.tree["static_resources"]["clusters"][0];
        for same in [
            "connect_timeout",
            "per_connection_buffer_limit_bytes",
            "circuit_breakers",
            "upstream_connection_options",
        ] {
            assert_eq!(cluster[same], shipped[same], "{name}: {same}");
        }
        let (options, as_shipped) = (
            &cluster["typed_extension_protocol_options"][PROTOCOL],
            &shipped["typed_extension_protocol_options"][PROTOCOL],
        );
        for same in ["auto_config", "common_http_protocol_options"] {
            assert_eq!(options[same], as_shipped[same], "{name}: {same}");
        }
        let filters = |options: &Yaml| {
            let mut filters = options["http_filters"].as_sequence().unwrap().clone();
            filters.retain(|filter| filter["name"] != "envoy.filters.http.credential_injector");
            filters
        };
        assert_eq!(filters(options), filters(as_shipped), "{name}");
    }
}
