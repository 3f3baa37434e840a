//! What of others' words is told, and what is not.

use super::*;
use crate::testing::test;

#[test]
fn a_url_has_no_user_no_query_and_no_fragment() {
    for (text, shown) in [
        (
            "https://proxy.example/m/@v/v1.0.0.zip",
            "https://proxy.example/m/@v/v1.0.0.zip",
        ),
        (
            "https://user:tok@proxy.example:8443/m?X-Sig=abc#x",
            "https://...@proxy.example:8443/m",
        ),
        ("https://proxy.example?x=a@b", "https://proxy.example"),
        (
            "https://user:pa/ss@proxy.example/m",
            "https://...@proxy.example/m",
        ),
        ("https://user:pa?ss@proxy.example/m", "https://..."),
        (
            "https://[::1]:8080/m/@latest",
            "https://[::1]:8080/m/@latest",
        ),
        ("/sumdb/x/lookup/a@v1.0.0", "/sumdb/x/lookup/a@v1.0.0"),
        ("https://host/a b", "https://host/a"),
        (
            "https://proxy/https://user:tok@host/x",
            "https://proxy/https://...@host/x",
        ),
        ("https://us\"er:tok@host/x", "https://...@host/x"),
        ("https://user:a://b@host/x", "https://...://...@host/x"),
        (
            "https://proxy/git/bot:tok@host/x",
            "https://proxy/git/...@host/x",
        ),
        ("https://us\u{202e}er:t@host/", "https://...@host/"),
    ] {
        assert_eq!(url(text, 200), shown, "{text}");
    }
}

#[test]
fn words_keep_what_helps_and_lose_what_is_secret() {
    for (text, shown) in [
        (
            "not found: module example.com/m@v1.0.0: no matching versions",
            "not found: module example.com/m@v1.0.0: no matching versions",
        ),
        (
            "git ls-remote https://oauth2:glpat-abc@git.example/x: exit status 128",
            "git ls-remote https://...@git.example/x: exit status 128",
        ),
        (
            "Get \"https://s3.example/a?X-Amz-Signature=1f\": EOF",
            "Get \"https://s3.example/a?...\": EOF",
        ),
        ("bot:hunter2@git.example: denied", "...@git.example: denied"),
        (
            "git@git.example:team/x.git: denied",
            "git@git.example:team/x.git: denied",
        ),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ..."),
        ("authorization:bearer abc", "authorization:... ..."),
        ("sent Bearer eyJhbGciOi.x", "sent Bearer ..."),
        ("sent Basic dXNlcjpwYXNz", "sent Basic ..."),
        (
            "basic authentication required",
            "basic authentication required",
        ),
        (
            r#"{"error":"x","token":"s3cr3t"}"#,
            r#"{"error":"x","token":"..."#,
        ),
        (r#"{"token": "s3cr3t"}"#, r#"{"token": ..."#),
        ("PRIVATE-TOKEN: s3cr3t and", "PRIVATE-TOKEN: ... and"),
        ("password=hunter2, user=x", "password=... user=x"),
        ("see /x?session=1", "see /x?..."),
        ("really? issue #42", "really? issue #42"),
        ("key ghp_0123456789 refused", "key ... refused"),
        ("(ghp_0123456)", "(..."),
        ("keyJob=ghp_01 (eyJhbGciOi.x)", "keyJob=... (..."),
        ("unexpected token '<' at 1:1", "unexpected token '<' at 1:1"),
        ("to\u{200b}ken=abc", "token=..."),
        ("https:/\u{200b}/user:tok@host/x", "https://...@host/x"),
        (
            "https://user:token=x@host/?password=y",
            "https://...@host/?...",
        ),
    ] {
        assert_eq!(words(text, 300), shown, "{text}");
    }
}

#[test]
fn a_url_that_was_cut_in_its_password_is_not_told() {
    let long = format!("{} https://user:hunter2", "x".repeat(MAX_INPUT - 20));
    assert!(!words(&long, 10_000).contains("hunt"));
    let padded = format!(
        "{}https://user:hunter2@host",
        "? ".repeat(MAX_INPUT / 2 - 7)
    );
    assert!(!words(&padded, 10_000).contains("hunt"));
}

#[cfg(not(target_arch = "wasm32"))]
mod property {
    use super::*;
    use proptest::prelude::*;

    /// Somebody's words around a secret, in the forms in which upstreams repeat them.
    fn with_secret() -> impl Strategy<Value = String> {
        let around = "[ -~\u{e9}\u{200b}\u{202e}\n]{0,40}";
        let form = prop_oneof![
            Just("https://user:S3cr3tXyz@host/path"),
            Just("ssh://S3cr3tXyz@host/path"),
            Just("https://host/path?sig=S3cr3tXyz"),
            Just("Authorization: Bearer S3cr3tXyz"),
            Just("token=S3cr3tXyz"),
            Just("\"password\":\"S3cr3tXyz\""),
            Just("bot:S3cr3tXyz@host"),
            Just("https://host/https://user:S3cr3tXyz@host/path"),
            Just("https://host/a/user:S3cr3tXyz@host/path"),
            Just("host/?u=https://user:S3cr3tXyz@host"),
        ];
        (around, form, around).prop_map(|(before, form, after)| format!("{before} {form} {after}"))
    }

    proptest! {
        #[test]
        fn whatever_stands_around_a_secret_it_is_not_told(text in with_secret()) {
            prop_assert!(!words(&text, 4000).contains("S3cr3tXyz"), "{}", words(&text, 4000));
        }
    }
}
