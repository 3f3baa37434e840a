//! `.info` and `@latest`: what is passed on says of itself that it is what was asked for, however `go` reads it.

use goproxy_core::goproxy::{body, module, semver};
use serde_json::Value;

/// Input: a module path, a line end, a version, a line end, an upstream's answer.
pub fn check(data: &[u8]) {
    let Some((module, rest)) = super::text(data) else {
        return;
    };
    let Some((version, body)) = super::text(rest) else {
        return;
    };
    match body::info(version, body) {
        Ok(()) => names_only(body, |named| named == version),
        Err(error) => assert!(error.to_string().len() < 1024 + version.len()),
    }
    match body::query(module, body) {
        Ok(()) => names_only(body, |named| {
            semver::is_canonical(named) && module::check(module, named).is_ok()
        }),
        Err(error) => assert!(super::is_printable(&error.to_string()), "{error}"),
    }
}

/// `go` takes a key whatever its case, and the last one of several.
fn names_only(body: &[u8], is_right: impl Fn(&str) -> bool) {
    // Of a number that no `f64` holds, `go` reads nothing into `Version` and `Time` either.
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let object = value.as_object().expect("an object");
    let mut named = false;
    for (key, value) in object {
        // `encoding/json` folds as `unicode.SimpleFold` does: the long s is an s.
        if key.replace('\u{17f}', "s").eq_ignore_ascii_case("Version") {
            assert!(value.as_str().is_some_and(&is_right), "{key}: {value}");
            named = true;
        }
    }
    assert!(named, "no Version");
}
