//! Which series a query looks at.

use std::collections::BTreeSet;

/// The series that a query looks at, without ranges: `name{label="x"}`.
pub(crate) fn selectors(query: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = query;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_') {
        rest = &rest[start..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c)));
        let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
        let labels = match behind.starts_with('{') {
            true => &behind[..=behind.find('}').expect("an end of labels")],
            false => "",
        };
        // Labels are called by names of this kind too, but never have labels themselves.
        let is_recorded = name.starts_with("goproxy:");
        let is_metric = is_recorded || !labels.is_empty() || name.starts_with("goproxy_");
        if is_metric || name.starts_with("envoy_") && behind.starts_with('[') {
            found.insert(format!("{name}{labels}"));
        }
        rest = &behind[labels.len()..];
        // Within a string there are no selectors.
        if let Some(text) = rest.strip_prefix('"') {
            rest = &text[text.find('"').map_or(text.len(), |end| end + 1)..];
        }
    }
    found
}

#[test]
fn selectors_are_found() {
    let query = r#"sum by (job, le) (rate(goproxy_a{b="c"}[5m])) / up{x=~"y"} > goproxy:d:e offset 2h and increase(envoy_f[1h])"#;
    let expected = [
        r#"envoy_f"#,
        r#"goproxy:d:e"#,
        r#"goproxy_a{b="c"}"#,
        r#"up{x=~"y"}"#,
    ];
    assert_eq!(selectors(query), expected.map(str::to_owned).into());
}
