use super::*;
use crate::Setup;
use crate::testing::{NOW, busy, failure_line, test};

fn shown(report: &Report) -> String {
    let setup = Setup {
        address: "http://127.0.0.1:8080/go".to_owned(),
        databases: vec!["sum.golang.org"],
        patterns: vec!["*"],
    };
    let about = About {
        version: "0.1.0",
        setup: &setup,
        base_path: "/go",
        now: NOW,
    };
    page(report, &about)
}

/// Empty for a text without one.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).map_or("", |(_, rest)| rest);
    rest.split_once(after).map_or("", |(inner, _)| inner)
}

#[test]
fn the_policy_allows_the_style_of_the_page_and_nothing_else() {
    use base64ct::{Base64, Encoding};
    use sha2::{Digest, Sha256};

    let html = shown(&busy());
    let hash = Base64::encode_string(&Sha256::digest(between(&html, "<style>", "</style>")));
    assert_eq!(between(POLICY, "style-src 'sha256-", "'"), hash);
    assert!(POLICY.starts_with("default-src 'none'; style-src 'sha256-"));
    assert_eq!(POLICY.matches("'sha256-").count(), 1);
    for never in ["unsafe", "*", "http:", "https:", "data:", "'self'"] {
        assert!(!POLICY.contains(never), "{never}");
    }
}

#[test]
fn nothing_in_it_is_asked_of_anybody_and_nothing_runs() {
    let html = shown(&busy());
    for never in [
        "<script", "<link", "<img", "<iframe", "<form", "<object", "style=\"", "@import", "url(",
        "//cdn", " on",
    ] {
        let found = html
            .find(never)
            .map(|at| &html[at.saturating_sub(30)..at + 30]);
        let is_word = never == " on" && found.is_some_and(|text| !text.contains("=\""));
        assert!(found.is_none() || is_word, "{never}: {found:?}");
    }
    let urls: Vec<&str> = html
        .match_indices("href=\"")
        .map(|(at, _)| between(&html[at..], "\"", "\""))
        .collect();
    assert!(
        !urls.is_empty() && urls.iter().all(|url| url.starts_with("/go/-/")),
        "{urls:?}"
    );
}

/// Every `<` that is no tag of the page's own.
fn strange_tags(html: &str) -> Vec<&str> {
    const OWN: [&str; 34] = [
        "!doctype", "html", "head", "meta", "title", "style", "body", "main", "header", "h1", "h2",
        "p", "code", "section", "pre", "b", "span", "dl", "div", "dt", "dd", "svg", "path", "rect",
        "table", "tr", "td", "time", "ol", "li", "a", "footer", "br", "th",
    ];
    let tags = html.split('<').skip(1);
    tags.filter(|tag| {
        let tag = tag.strip_prefix('/').unwrap_or(tag);
        let end = tag.find(['>', ' ']).unwrap_or(tag.len());
        !OWN.contains(&&tag[..end])
    })
    .collect()
}

#[test]
fn hostile_names_are_texts() {
    let mut report = busy();
    report.upstreams[0].name = "<img/src=x>".to_owned();
    report.digest = "\"><script>".to_owned();
    report.failures = [
        (
            "<script>alert(1)</script>",
            "v1\"onload=\"alert(1)",
            "</style><script src=//x></script>",
        ),
        (
            "a'b&amp;\u{202e}c",
            "<svg/onload=alert(1)>",
            "javascript:alert(1)",
        ),
        ("{{7*7}}", "${7*7}", "<!--"),
    ]
    .map(|(module, version, message)| failure_line(module, version, message).into())
    .into();
    let html = shown(&report);
    assert_eq!(strange_tags(&html), Vec::<&str>::new());
    for text in [
        "&lt;script&gt;alert(1)&lt;/script&gt;@v1&quot;onload=&quot;alert(1)",
        "a&#39;b&amp;amp;c@&lt;svg/onload=alert(1)&gt;",
        "{{7*7}}@${7*7}",
        "&lt;img/src=x&gt;",
        "&quot;&gt;&lt;script&gt;",
        "href=\"/go/-/explain?path=/%3Cscript%3Ealert%281%29%3C/script%3E/@v/v1%22onload%3D%22alert%281%29.zip\"",
    ] {
        assert!(html.contains(text), "{text} is not in {html}");
    }
}

#[test]
fn a_gateway_that_has_done_nothing_yet_says_so() {
    let html = shown(&Report {
        since: NOW,
        ..Report::default()
    });
    for text in [
        "No worker has told of itself yet",
        "go env -w GOPROXY=http://127.0.0.1:8080/go</b>",
        "None is told of since 2023-11-14 22:13:20 UTC.",
        "No cache has been asked yet.",
        "No request in this time.",
        "None yet.",
    ] {
        assert!(html.contains(text), "{text} is not in {html}");
    }
    assert_eq!(strange_tags(&html), Vec::<&str>::new());
}

#[test]
fn it_says_how_the_gateway_is() {
    let html = shown(&busy());
    for text in [
        "1 upstream is left alone, since requests failed",
        "<dd>42\u{202f}300</dd>",
        "<dd class=\"bad\">25</dd>",
        "0123456789abcdef",
        "<span>memory</span><span>90\u{202f}%</span>",
        "<rect class=\"hits\" width=\"90.0%\"",
        "12\u{202f}345 held, 28 MiB",
        "<td>from an upstream</td><td>900</td>",
        "<b class=\"mono\">example.com/M@v1.0.0</b>",
        "href=\"/go/-/explain?path=/example.com/!m/@v/v1.0.0.zip\"",
        "404 not_found</span> no such module",
        "asked again 3 times",
        "and 2 more like it",
    ] {
        assert!(html.contains(text), "{text} is not in {html}");
    }
    let mut well = busy();
    well.upstreams[1].aside = 0;
    assert!(shown(&well).contains("All upstreams are well"));
    well.redis.as_mut().unwrap().aside = 1;
    let html = shown(&well);
    assert!(
        html.contains("Redis is left alone") && html.contains("left alone by 1 of 2"),
        "{html}"
    );
}

/// What of the page is in the plugin: all of it that is the same for every gateway.
#[test]
fn it_is_small() {
    let least = shown(&Report::default()).len();
    assert!(least < 10 * 1024, "{least} bytes");
    let mut most = busy();
    let line: Box<str> = failure_line(&"m".repeat(300), &"v".repeat(160), &"<".repeat(500)).into();
    most.failures = vec![line; crate::MAX_FAILURES];
    let most = shown(&most).len();
    assert!(most < 128 * 1024, "{most} bytes");
}
