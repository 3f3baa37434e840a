//! A registry that wants a credential: it has it, nobody else sees it, and it rotates.

use goproxy_integration::gateway::Gateway;
use goproxy_integration::http;
use goproxy_integration::origin::Origin;
use goproxy_integration::places;
use serde_json::json;

use crate::authority::Authority;
use crate::counterparts::Guard;
use crate::example::{
    Example, PROTOCOL, nowhere, refused_both_ways, registry, serves_both_ways, stat, until, yaml,
};

/// The example's credential in a folder of its own, to be replaced by another.
struct Credential(tempfile::TempDir);

impl Credential {
    fn put(&self, value: &str) {
        let shipped = places::envoy_file("examples/secrets/registry-authorization.yaml").unwrap();
        let mut secret = yaml(&std::fs::read_to_string(shipped).unwrap());
        let text = &mut secret["resources"][0]["generic_secret"]["secret"]["inline_string"];
        assert_eq!(*text, "Bearer replace-me");
        *text = value.into();
        self.replace(&serde_yaml_ng::to_string(&secret).unwrap());
    }

    fn replace(&self, text: &str) {
        let folder = self.0.path();
        std::fs::write(folder.join("next"), text).unwrap();
        std::fs::rename(folder.join("next"), folder.join("credential.yaml")).unwrap();
    }

    fn example(&self) -> Example {
        let mut example = Example::read("credential");
        let filter =
            &mut example.cluster()["typed_extension_protocol_options"][PROTOCOL]["http_filters"][1];
        let source = &mut filter["typed_config"]["credential"]["typed_config"]["credential"]["sds_config"]
            ["path_config_source"];
        assert!(source["path"].is_string());
        source["path"] = self
            .0
            .path()
            .join("credential.yaml")
            .to_str()
            .unwrap()
            .into();
        source["watched_directory"]["path"] = self.0.path().to_str().unwrap().into();
        example
    }
}

#[test]
fn a_credential_that_rotates_and_is_shown_nowhere() {
    const FIRST: &str = "Bearer 9f1c-the-first-token";
    const SECOND: &str = "Basic Z2F0ZXdheTo3YjJlLXRoZS1zZWNvbmQ=";
    let origin = Origin::start(&[]).unwrap();
    let guard = Guard::before(origin.addr(), FIRST);
    let credential = Credential(tempfile::tempdir().unwrap());
    credential.put(FIRST);
    let running = credential
        .example()
        .registry_at(guard.addr)
        .without_tls()
        .start();
    serves_both_ways(&running);
    // A client's own is not sent in its place, and no header of the sort comes back.
    let path = "/example.com/a/@v/v1.1.0.zip";
    let answer = http::get_with(
        running.addr(),
        path,
        &[("authorization", "Bearer of-the-client")],
    )
    .unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("www-authenticate"), None);

    guard.expect(SECOND);
    let mut shown = refused_both_ways(&running, "upstream_4xx");
    credential.put(SECOND);
    let mut version = 0;
    until("the new credential is sent", || {
        version += 1;
        let answer = running
            .get(&format!("/bench.example/n{version}/@v/v1.0.0.info"))
            .unwrap();
        shown.push(answer);
        shown.last().unwrap().status == 200
    });
    let zip = running.get("/example.com/a/@v/v1.2.0.zip").unwrap();
    assert_eq!(zip.status, 200);
    // A file that is none changes nothing.
    credential.replace("resources: [{");
    until("the broken file is read", || {
        stat(&running, "sds.registry_authorization.update_failure") == 1
    });
    let zip = running.get("/example.com/tool/@v/v1.1.0.zip").unwrap();
    assert_eq!(zip.status, 200);
    for secret in [FIRST, SECOND] {
        let secret = secret.split(' ').nth(1).unwrap();
        nowhere(secret, &running, &shown);
    }
}

#[test]
fn a_credential_is_sent_by_tls_and_only_to_the_registry() {
    let authority = Authority::new();
    let (registry, store) = (registry(&authority, &[]), Origin::start(&[]).unwrap());
    let credential = Credential(tempfile::tempdir().unwrap());
    credential.put("Bearer 51ab-token");
    let example = credential
        .example()
        .registry_at(registry.tls_addr().unwrap())
        .ca(&authority.ca());
    let upstream = &example.upstreams[0];
    let configuration = json!({
        "upstreams": [upstream],
        "routes": [{"modules": ["*"], "chain": [upstream["name"]]}],
        "redirects": [{"host": "store.example", "target": "store"}],
    });
    let running = Gateway::builder()
        .config_json(configuration.to_string())
        .cluster("store", &store.url())
        .argument("--config-yaml")
        .argument(&example.text())
        .start()
        .unwrap();
    serves_both_ways(&running);
    let location = "https://store.example/__signed{path}?Signature=x";
    registry
        .fault(&json!({"path": "/example.com/tool/*", "kind": "redirect", "location": location}))
        .unwrap();
    assert_eq!(
        running
            .get("/example.com/tool/@v/v1.0.0.mod")
            .unwrap()
            .status,
        200
    );
    let zip = "/example.com/tool/@v/v1.0.0.zip";
    let mut answer = running.get(zip).unwrap();
    if answer.status == 302 {
        answer = running.get(answer.header("location").unwrap()).unwrap();
    }
    assert_eq!(answer.status, 200, "{}", answer.text());

    let authorization = |origin: &Origin| -> Vec<String> {
        let seen = origin.seen().unwrap();
        assert!(seen.len() >= 2);
        seen.iter()
            .map(|seen| seen.all["headers"]["Authorization"].to_string())
            .collect()
    };
    assert!(
        authorization(&registry)
            .iter()
            .all(|got| got.contains("Bearer 51ab-token"))
    );
    assert!(authorization(&store).iter().all(|got| got == "null"));
}

#[test]
fn without_a_credential_nothing_is_sent() {
    let origin = Origin::start(&[]).unwrap();
    let credential = Credential(tempfile::tempdir().unwrap());
    credential.replace("resources: []");
    let example = credential.example().registry_at(origin.addr());
    let running = example.without_tls().start();
    refused_both_ways(&running, "(goproxy-wasm: ");
    assert!(origin.seen().unwrap().is_empty());

    credential.put("Bearer late");
    until("the credential is read", || {
        stat(&running, "sds.registry_authorization.update_success") > 0
    });
    serves_both_ways(&running);
}
