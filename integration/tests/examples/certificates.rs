//! A registry whose certificate a private CA signed, and one that asks for the gateway's.

use std::path::{Path, PathBuf};

use goproxy_integration::places;

use crate::authority::Authority;
use crate::example::{
    Example, PROTOCOL, nowhere, refused_both_ways, registry, serves_both_ways, stat, until, yaml,
};

#[test]
fn a_private_ca() {
    let authority = Authority::new();
    let registry = registry(&authority, &[]);
    let example = |ca: &Path| {
        Example::read("private-ca")
            .registry_at(registry.tls_addr().unwrap())
            .ca(ca)
            .start()
    };
    serves_both_ways(&example(&authority.ca()));
    registry.forget().unwrap();
    let stranger = Authority::new();
    refused_both_ways(&example(&stranger.ca()), "connection");
    assert!(registry.seen().unwrap().is_empty());
}

/// A folder with a link `current` to what is used, as Kubernetes mounts a secret.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts copies of these files under `current`, at one moment.
    fn put(&self, generation: &str, files: &[(&str, &Path)]) {
        std::fs::create_dir(self.path(generation)).unwrap();
        for (name, file) in files {
            std::fs::copy(file, self.path(generation).join(name)).unwrap();
        }
        std::os::unix::fs::symlink(generation, self.path("next")).unwrap();
        std::fs::rename(self.path("next"), self.path("current")).unwrap();
    }
}

#[test]
fn a_client_certificate_that_is_renewed() {
    let authority = Authority::new();
    let ca = authority.ca();
    let registry = registry(&authority, &["-tls-client-ca", ca.to_str().unwrap()]);
    let mount = Mount::new();
    let put = |name: &str| {
        let (certificate, key) = authority.sign(name);
        mount.put(name, &[("cert.pem", &certificate), ("key.pem", &key)]);
    };
    put("one.corp.example");

    let mut secret = yaml(
        &std::fs::read_to_string(
            places::envoy_file("examples/secrets/client-certificate.yaml").unwrap(),
        )
        .unwrap(),
    );
    let files = &mut secret["resources"][0]["tls_certificate"];
    let current = |name: &str| {
        mount
            .path("current")
            .join(name)
            .to_str()
            .unwrap()
            .to_owned()
    };
    files["certificate_chain"]["filename"] = current("cert.pem").into();
    files["private_key"]["filename"] = current("key.pem").into();
    files["watched_directory"]["path"] = mount.0.path().to_str().unwrap().into();
    let sds = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(sds.path(), serde_yaml_ng::to_string(&secret).unwrap()).unwrap();

    let example = || {
        Example::read("client-certificate")
            .registry_at(registry.tls_addr().unwrap())
            .ca(&authority.ca())
    };
    let mut with = example();
    let context = &mut with.cluster()["transport_socket"]["typed_config"]["common_tls_context"];
    let source =
        &mut context["tls_certificate_sds_secret_configs"][0]["sds_config"]["path_config_source"];
    assert!(source["path"].is_string());
    source["path"] = sds.path().to_str().unwrap().into();
    // So that the next request is on a connection of its own.
    with.cluster()["typed_extension_protocol_options"][PROTOCOL]["common_http_protocol_options"]
        ["max_requests_per_connection"] = 1.into();
    let running = with.start();
    serves_both_ways(&running);
    let client = || registry.seen().unwrap().last().unwrap().all["client_name"].clone();
    assert!(
        client().to_string().contains("one.corp.example"),
        "{}",
        client()
    );

    let updates = "cluster.registry.client_ssl_socket_factory.ssl_context_update_by_sds";
    let before = stat(&running, updates);
    put("two.corp.example");
    until("the new certificate is read", || {
        stat(&running, updates) > before
    });
    assert_eq!(
        running.get("/example.com/a/@v/v1.1.0.info").unwrap().status,
        200
    );
    assert!(
        client().to_string().contains("two.corp.example"),
        "{}",
        client()
    );
    let key = std::fs::read_to_string(mount.path("current").join("key.pem")).unwrap();
    nowhere(key.lines().nth(1).unwrap(), &running, &[]);

    registry.forget().unwrap();
    let mut without = example();
    let context = &mut without.cluster()["transport_socket"]["typed_config"]["common_tls_context"];
    context
        .as_mapping_mut()
        .unwrap()
        .remove("tls_certificate_sds_secret_configs")
        .unwrap();
    refused_both_ways(&without.start(), "(goproxy-wasm: ");
    assert!(registry.seen().unwrap().is_empty());
}
