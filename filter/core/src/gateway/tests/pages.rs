//! The pages: who sees them, what they are, and that looking changes nothing.

use super::*;
use crate::testing::test;

const PAGES: [&str; 5] = [
    "/",
    "/-/env",
    "/-/status",
    "/-/metrics",
    "/-/explain?path=/example.com/a/@v/list",
];

/// A gateway whose requests come from this address.
fn from(address: Option<&'static str>, config: &str) -> Rig {
    let host = HostCapabilities {
        peer: Rc::new(move || address.map(str::to_owned)),
        ..HostCapabilities::none()
    };
    let config = Config::from_json(config.as_bytes(), "test").unwrap();
    Rig::on(&config, &Rc::default(), &host)
}

fn local() -> Rig {
    from(Some("127.0.0.1:51234"), ONE)
}

fn with_admin(cidrs: &str) -> String {
    let admin = format!(r#"{{"admin": {{"cidrs": {cidrs}}}, "upstreams""#);
    ONE.replacen(
        r#"{
    "upstreams""#,
        &admin,
        1,
    )
}

fn text(reply: &Reply) -> String {
    seen(reply).body
}

#[test]
fn each_page_is_of_its_kind_and_nobody_keeps_it() {
    let mut rig = local();
    for (path, status, content_type, begins) in [
        ("/", 200, "text/html; charset=utf-8", "<!doctype html>"),
        (
            "/?utm=1",
            200,
            "text/html; charset=utf-8",
            "<!doctype html>",
        ),
        (
            "/-/env",
            200,
            "text/plain; charset=utf-8",
            "go env -w GOPROXY=",
        ),
        ("/-/status", 200, "application/json", "{\"version\":\""),
        (
            "/-/metrics",
            200,
            "text/plain; version=0.0.4; charset=utf-8",
            "",
        ),
        (
            "/-/explain?path=/example.com/a/@v/list",
            200,
            "text/plain; charset=utf-8",
            "path  ",
        ),
        (
            "/-/explain",
            200,
            "text/plain; charset=utf-8",
            "expected /-/explain?path=",
        ),
        (
            "/-/nothing",
            404,
            "text/plain; charset=utf-8",
            "no such page; there are:\n/  for people",
        ),
        (
            "/-/",
            404,
            "text/plain; charset=utf-8",
            "no such page; there are:\n/  for people",
        ),
        ("/-/healthz", 200, "text/plain; charset=utf-8", "ok\n"),
        ("/-/readyz", 200, "text/plain; charset=utf-8", "ready\n"),
        (
            "/-/readyz?upstream",
            200,
            "text/plain; charset=utf-8",
            "ready\n",
        ),
    ] {
        let reply = rig.reply(path);
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(field(&reply, "content-type"), content_type, "{path}");
        assert!(text(&reply).starts_with(begins), "{path}: {reply:?}");
        assert_eq!(field(&reply, "cache-control"), "no-store", "{path}");
        assert_eq!(field(&reply, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(field(&reply, "referrer-policy"), "no-referrer", "{path}");
    }
    let policy = rig.reply("/");
    assert!(field(&policy, "content-security-policy").contains("style-src 'sha256-"));
    assert!(
        field(&rig.reply("/-/status"), "content-security-policy")
            .starts_with("default-src 'none'; frame")
    );
    rig.no_callout();
}

#[test]
fn a_path_that_only_looks_like_a_page_is_none() {
    let mut rig = local();
    for path in [
        "//",
        "/-",
        "/x/-/status",
        "/-status",
        "/%2d/status",
        "/./-/status",
    ] {
        let reply = rig.reply(path);
        assert!(matches!(reply.status, 400 | 404), "{path}: {reply:?}");
        assert!(!text(&reply).contains("no such page"), "{path}: {reply:?}");
    }
}

#[test]
fn pages_stand_below_the_base_path() {
    let config = ONE.replacen('{', r#"{"serve": {"base_path": "/go"}, "#, 1);
    let mut rig = from(Some("127.0.0.1"), &config);
    let home = text(&rig.reply("/go"));
    assert!(home.contains("GOPROXY=http://gw/go<"), "{home}");
    assert!(home.contains("href=\"/go/-/status\""), "{home}");
    assert_eq!(rig.reply("/go/").status, 200);
    assert!(text(&rig.reply("/go/-/env")).starts_with("go env -w GOPROXY=http://gw/go\n"));
    assert!(matches!(rig.ask("/-/env").1, Step::Pass));
    let explained = text(&rig.reply("/go/-/explain?path=http://gw/go/example.com/a/@latest"));
    assert!(
        explained.starts_with("path        /example.com/a/@latest\n"),
        "{explained}"
    );
}

#[test]
fn whoever_is_outside_sees_the_probes_only() {
    for (address, cidrs) in [
        (Some("203.0.113.9:443"), None),
        (Some("[2001:db8::9]:443"), None),
        (Some("127.0.0.1:443"), Some(r#"["10.0.0.0/8"]"#)),
        (Some("127.0.0.1:443"), Some("[]")),
        (Some("not an address"), Some(r#"["0.0.0.0/0", "::/0"]"#)),
        (None, Some(r#"["0.0.0.0/0", "::/0"]"#)),
    ] {
        let config = cidrs.map_or(ONE.to_owned(), with_admin);
        let mut rig = from(address, &config);
        for path in PAGES {
            let reply = rig.reply(path);
            assert_eq!(reply.status, 403, "{address:?} {cidrs:?} {path}");
            assert_eq!(field(&reply, "content-type"), "text/plain; charset=utf-8");
            let body = text(&reply);
            assert!(
                body.ends_with("(goproxy-wasm: policy_denied, upstream none, request r1)\n"),
                "{body}"
            );
            let why = match address {
                Some(address) => {
                    format!("not shown to {address}, which no network of admin.cidrs holds")
                }
                None => "the host does not say where".to_owned(),
            };
            assert!(body.contains(&why), "{body}");
        }
        for path in ["/-/healthz", "/-/readyz", "/-/readyz?upstream"] {
            assert_eq!(rig.reply(path).status, 200, "{address:?} {path}");
        }
        assert_eq!(rig.reply("/-/nothing").status, 404);
        rig.wait(LIST);
    }
    for (address, cidrs) in [
        ("203.0.113.9:443", r#"["203.0.113.0/24"]"#),
        ("[2001:db8::9]:443", r#"["2001:db8::/32"]"#),
    ] {
        let mut rig = from(Some(address), &with_admin(cidrs));
        for path in PAGES {
            assert_ne!(rig.reply(path).status, 403, "{address} {path}");
        }
    }
}

#[test]
fn the_address_is_the_one_that_the_client_used() {
    let mut rig = local();
    for (fields, address) in [
        (vec![(":scheme", "https")], "https://gw"),
        (
            vec![(":scheme", "http"), ("x-forwarded-proto", "https")],
            "https://gw",
        ),
        (vec![("x-forwarded-proto", "javascript")], "http://gw"),
        (vec![], "http://gw"),
    ] {
        let (_, step) = rig.ask_with("GET", "/-/env", &fields);
        let Step::Reply(reply) = step else {
            panic!("{step:?}")
        };
        let first = text(&reply).lines().next().map(str::to_owned);
        assert_eq!(
            first,
            Some(format!("go env -w GOPROXY={address}")),
            "{fields:?}"
        );
    }
}

#[test]
fn an_address_that_is_none_gets_into_no_shell() {
    let mut rig = local();
    for host in [
        "gw; rm -rf /",
        "$(id)",
        "gw`id`",
        "gw\"",
        "gw'",
        "",
        "gw/x",
        "g\u{fc}",
    ] {
        let fields = [
            (&b":method"[..], &b"GET"[..]),
            (b":path", b"/-/env"),
            (b":authority", host.as_bytes()),
        ];
        let head = RequestHead {
            fields: &fields,
            end_of_stream: true,
        };
        let Step::Reply(reply) = rig.gateway.begin(StreamId(9), &head, rig.now) else {
            panic!()
        };
        assert!(
            text(&reply).starts_with("go env -w GOPROXY=GATEWAY\n"),
            "{host:?}: {reply:?}"
        );
    }
}

#[test]
fn what_is_ready_may_ask_for_an_upstream() {
    let mut rig = local();
    for (module, up) in [("a", 200), ("b", 200), ("c", 503)] {
        rig.wait(&format!("/example.com/{module}/@v/list"));
        for _ in 0..3 {
            rig.outcome(CalloutOutcome::Unreachable);
            rig.pass(Duration::from_secs(1));
        }
        assert_eq!(rig.reply("/-/readyz?upstream").status, up, "{module}");
    }
    let reply = rig.reply("/-/readyz?upstream");
    assert!(
        text(&reply).ends_with("left alone, since requests failed: public\n"),
        "{reply:?}"
    );
    assert_eq!(rig.reply("/-/readyz").status, 200);
    assert_eq!(rig.reply("/-/readyz?other").status, 200);
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.reply("/-/readyz?upstream").status, 200);
}

/// What `/-/explain` says, its lines by their names.
fn explained(rig: &mut Rig, path: &str) -> String {
    text(&rig.reply(&format!("/-/explain?path={path}")))
}

#[test]
fn it_is_explained_how_a_request_would_go() {
    let mut rig = local();
    let before = explained(&mut rig, MOD);
    assert_eq!(
        before,
        "\
path        /example.com/a/@v/v1.0.0.mod
is          mod for example.com/a@v1.0.0, which never changes
route       routes[0], by its pattern *
upstreams   public: well
cache key   v1/test/public/example.com/a/@v/v1.0.0.mod
memory      nothing
now         asked of the upstreams
"
    );
    rig.wait(MOD);
    assert!(
        explained(&mut rig, MOD).ends_with("waits for the request that is under way already\n")
    );
    rig.answer(200, "module example.com/a\n");
    rig.seen();
    rig.pass(Duration::from_secs(90));
    let after = explained(&mut rig, MOD);
    assert!(
        after
            .contains("memory      200 of 21 bytes from public, 1 min old, fresh for 364 d 23 h\n"),
        "{after}"
    );
    assert!(
        after.ends_with("now         answered from the cache\n"),
        "{after}"
    );
    rig.no_callout();
}

#[test]
fn trouble_is_explained() {
    let mut rig = local();
    rig.wait(LIST);
    let callout = rig.callout();
    rig.tell(&callout, answer_with(429, "", &[("retry-after", "30")]));
    rig.seen();
    let text = explained(&mut rig, LIST);
    assert!(
        text.contains("delay       not asked for during 30 s; answered: 429 upstream_4xx\n"),
        "{text}"
    );
    for module in ["b", "c", "d"] {
        rig.wait(&format!("/example.com/{module}/@v/list"));
        for _ in 0..3 {
            rig.outcome(CalloutOutcome::Unreachable);
            rig.pass(Duration::from_secs(1));
        }
    }
    let text = explained(&mut rig, MOD);
    assert!(
        text.contains("public: left alone for ") && text.contains("asked as the last of its chain"),
        "{text}"
    );
}

#[test]
fn what_is_refused_or_answered_by_the_gateway_is_explained_too() {
    let mut rig = local();
    for (path, words) in [
        (
            "/example.com/a/@v/v1.0.0.exe",
            "refused     not a module proxy path",
        ),
        ("/Upper.example/a/@v/list", "refused     "),
        (
            "/example.com/a%zz/@v/list",
            "refused     the path holds a %",
        ),
        (
            "/sumdb/other.example/latest",
            "route       none: answered 404",
        ),
        (
            "/sumdb/sum.example/supported",
            "now         answered 200 by the gateway itself",
        ),
        (
            "/sumdb/sum.example/lookup/example.com/a@v1.0.0",
            "is          sumdb of sum.example for example.com/a@v1.0.0",
        ),
        (
            "/cached-only/example.com/a/@v/list",
            "now         answered 404: not in a cache",
        ),
    ] {
        let text = explained(&mut rig, path);
        assert!(text.contains(words), "{path}: {text}");
    }
    let some = ONE.replace(r#"["*"]"#, r#"["git.example"]"#);
    let text = explained(&mut from(Some("::1"), &some), LIST);
    assert!(text.contains("route       none: answered 404"), "{text}");
}

#[test]
fn looking_changes_nothing() {
    let mut rig = local();
    rig.fetch(LIST, 200, "v1.0.0\n");
    let before = rig.gateway.counters();
    for _ in 0..3 {
        rig.gateway
            .explain(format!("path={LIST}").as_bytes(), rig.now);
    }
    assert_eq!(rig.gateway.counters(), before);
    rig.no_callout();
}

#[test]
fn the_last_failures_are_on_the_page_and_in_the_status_wherever_events_go() {
    let mut rig = local();
    let id = rig.forwarded(ZIP);
    rig.head(id, 404, &[("content-type", "text/plain")]);
    rig.piece(id, b"<b>no</b>", true);
    let page = text(&rig.reply("/"));
    assert!(
        page.contains("example.com/a@v1.0.0") && page.contains("&lt;b&gt;no&lt;/b&gt;"),
        "{page}"
    );
    assert!(text(&rig.reply("/-/status")).contains(r#""message":"<b>no</b>""#));
}
