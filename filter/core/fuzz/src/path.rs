//! Paths: whatever is accepted has one name, and that name means the same.

use goproxy_core::goproxy::{Endpoint, MAX_PATH_BYTES, Request, module, semver, sumdb};

/// Input: a path as it stood on the wire.
pub fn check(data: &[u8]) {
    let request = match Request::parse(data) {
        Ok(request) => request,
        Err(error) => {
            assert!(super::is_printable(&error.to_string()), "{error}");
            return;
        }
    };
    let canonical = request.canonical();
    assert!(canonical.starts_with('/') && canonical.len() <= MAX_PATH_BYTES);
    assert!(canonical.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(!canonical.contains(['?', '#', '\\']) && !canonical.contains("//"));
    assert!(
        canonical
            .split('/')
            .all(|element| element != "." && element != "..")
    );

    let again = Request::parse(canonical.as_bytes()).expect("a canonical path is a path");
    assert_eq!(again.canonical(), canonical, "a canonical path is its own");
    assert_eq!(
        (again.endpoint(), again.class()),
        (request.endpoint(), request.class())
    );
    assert_eq!(
        (again.module(), again.version()),
        (request.module(), request.version())
    );
    assert_eq!(again.sumdb(), request.sumdb());
    assert!(
        !again.cached_only(),
        "whether only caches are asked is no part of an object's name"
    );
    assert!(
        canonical.ends_with(request.upstream_path()) && request.upstream_path().starts_with('/')
    );
    print(&request);
}

/// What the parts say is written as the path was.
fn print(request: &Request) {
    let module = request.module().map(|module| {
        module::check_path(&module).expect("a module path");
        module::escape_path(&module)
            .expect("what was unescaped can be escaped")
            .into_owned()
    });
    let version = request.version();
    if let Some(name) = request.sumdb() {
        sumdb::check_name(name).expect("a database's name");
    }
    let is_version = matches!(
        request.endpoint(),
        Endpoint::Info | Endpoint::Mod | Endpoint::Zip | Endpoint::SumLookup
    );
    if is_version {
        let (module, version) = (
            request.module().expect("a module"),
            version.as_deref().expect("a version"),
        );
        assert!(semver::is_canonical(version), "{version}");
        module::check(&module, version).expect("a version of the module's own major");
    }
    let escaped = version.as_deref().map(|version| {
        module::escape_version(version)
            .expect("a version")
            .into_owned()
    });
    let (module, version) = (module.unwrap_or_default(), escaped.unwrap_or_default());
    let sumdb = request.sumdb().unwrap_or_default();
    let printed = match request.endpoint() {
        Endpoint::List => format!("/{module}/@v/list"),
        Endpoint::Latest => format!("/{module}/@latest"),
        // What a version may hold and a path may not is encoded there.
        Endpoint::Query if request.canonical().contains('%') => return,
        Endpoint::Info | Endpoint::Query => format!("/{module}/@v/{version}.info"),
        Endpoint::Mod => format!("/{module}/@v/{version}.mod"),
        Endpoint::Zip => format!("/{module}/@v/{version}.zip"),
        Endpoint::SumSupported => format!("/sumdb/{sumdb}/supported"),
        Endpoint::SumLatest => format!("/sumdb/{sumdb}/latest"),
        Endpoint::SumLookup => format!("/sumdb/{sumdb}/lookup/{module}@{version}"),
        Endpoint::SumTile(tile) => format!("/sumdb/{sumdb}/{tile}"),
    };
    assert_eq!(printed, request.canonical());
}
