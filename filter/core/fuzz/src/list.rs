//! Lists of versions: what `go` is given cannot crash it and cannot mislead it.

use goproxy_core::goproxy::{body, module, semver};

/// Input: a module path, a line end, an upstream's list.
pub fn check(data: &[u8]) {
    let Some((module, rest)) = super::text(data) else {
        return;
    };
    if module::check_path(module).is_err() {
        return;
    }
    let Ok(list) = body::list(module, rest) else {
        return;
    };
    let text = std::str::from_utf8(&list).expect("versions are text");
    assert!(text.is_empty() || text.ends_with('\n'));
    let versions: Vec<&str> = text.lines().collect();
    for version in &versions {
        assert!(
            semver::is_canonical(version) && !semver::is_pseudo(version),
            "{version}"
        );
        module::check(module, version).expect("a version of the module's own major");
        assert!(
            rest.windows(version.len())
                .any(|found| found == version.as_bytes()),
            "{version} came from nowhere"
        );
    }
    for pair in versions.windows(2) {
        assert!(
            semver::order(pair[0], pair[1]).is_lt(),
            "{} before {}",
            pair[0],
            pair[1]
        );
    }
    assert_eq!(
        body::list(module, &list).as_deref(),
        Ok(&*list),
        "a clean list stays as it is"
    );
}
