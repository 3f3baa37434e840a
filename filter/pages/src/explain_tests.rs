use super::*;
use crate::testing::test;

fn explained<'a>() -> Explained<'a> {
    Explained {
        kind: "info",
        module: "example.com/a",
        version: "v1.0.0",
        database: "",
        immutable: true,
        caches_only: false,
        path: "/example.com/a/@v/v1.0.0.info",
        route: Route::Modules(1, "*"),
        chain: Vec::new(),
        key: "v1/x/public/example.com/a/@v/v1.0.0.info",
        redis_key: None,
        redis_aside: false,
        disk: false,
        memory: None,
        shared: None,
        in_the_air: false,
        delay: None,
        passed_over: Vec::new(),
        found_at: None,
    }
}

fn held(good_for: Use) -> Option<Copy> {
    Some(Copy {
        status: 200,
        bytes: 57,
        upstream: "public".to_owned(),
        age: 75,
        good_for,
    })
}

#[test]
fn everything_that_is_known_is_said() {
    let stop = |name, on_any_error, health| Stop {
        name,
        on_any_error,
        health,
    };
    let whole = Explained {
        chain: vec![
            stop("corp", false, Health::Well),
            stop("mirror", false, Health::Aside(5)),
            stop("public", true, Health::Aside(61)),
        ],
        redis_key: Some("gomod-v1-00".to_owned()),
        disk: true,
        memory: held(Use::Stale),
        shared: Some(held(Use::Fresh(7_260))),
        passed_over: vec![("corp".to_owned(), "timeout", 3)],
        found_at: Some("corp".to_owned()),
        ..explained()
    };
    assert_eq!(
        whole.text(),
        "\
path        /example.com/a/@v/v1.0.0.info
is          info for example.com/a@v1.0.0, which never changes
route       routes[1], by its pattern *
upstreams   corp: well
            mirror, after 404 or 410: left alone for 5 s
            public, after any error: left alone for 1 min, but asked as the last of its chain
            corp is passed over for this object for 3 s: timeout
found at    corp
cache key   v1/x/public/example.com/a/@v/v1.0.0.info
memory      200 of 57 bytes from public, 1 min old, no longer fresh: served if the upstreams fail
shared      200 of 57 bytes from public, 1 min old, fresh for 2 h 1 min
Redis key   gomod-v1-00
disk        asked in the upstream's place
now         answered from the cache
"
    );
}

/// What the last line but perhaps one says.
fn now(explained: &Explained<'_>) -> String {
    let text = explained.text();
    let line = text.lines().find_map(|line| line.strip_prefix("now "));
    line.unwrap_or_default().trim().to_owned()
}

#[test]
fn what_happens_now_is_what_the_caches_and_the_delays_say() {
    let delay = Some((9, "429".to_owned()));
    let redis_key = Some("k".to_owned());
    for (explained, words) in [
        (explained(), "asked of the upstreams"),
        (
            Explained {
                memory: held(Use::Fresh(1)),
                delay: delay.clone(),
                ..explained()
            },
            "answered from the cache",
        ),
        (
            Explained {
                memory: held(Use::Aging),
                ..explained()
            },
            "answered from the cache, and asked for anew",
        ),
        (
            Explained {
                memory: held(Use::Nothing),
                ..explained()
            },
            "asked of the upstreams",
        ),
        (
            Explained {
                memory: held(Use::Stale),
                ..explained()
            },
            "asked of the upstreams; if they fail, answered from the cache",
        ),
        (
            Explained {
                in_the_air: true,
                ..explained()
            },
            "waits for the request that is under way already",
        ),
        (
            Explained {
                delay,
                ..explained()
            },
            "answered as above, nobody is asked",
        ),
        (
            Explained {
                redis_key: redis_key.clone(),
                ..explained()
            },
            "asked of Redis, then of the upstreams",
        ),
        (
            Explained {
                redis_key,
                redis_aside: true,
                ..explained()
            },
            "asked of the upstreams",
        ),
        (
            Explained {
                caches_only: true,
                ..explained()
            },
            "answered 404: not in a cache",
        ),
        (
            Explained {
                route: Route::None,
                ..explained()
            },
            "answered 404 by the gateway itself",
        ),
        (
            Explained {
                key: "",
                ..explained()
            },
            "answered 200 by the gateway itself",
        ),
    ] {
        assert_eq!(now(&explained), words, "{explained:?}");
    }
}

#[test]
fn an_absence_that_is_remembered_is_called_one() {
    let mut memory = held(Use::Fresh(40));
    memory.as_mut().unwrap().status = 404;
    let text = Explained {
        memory,
        ..explained()
    }
    .text();
    assert!(text.contains("says that it does not exist"), "{text}");
}

#[test]
fn a_path_that_is_refused_is_shown_in_its_encoded_form() {
    let text = refused("/a\n\u{1b}[31m<b>\u{e9}", "the path holds a byte");
    assert_eq!(
        text,
        "path        /a%0A%1B%5B31m%3Cb%3E%C3%A9\nrefused     the path holds a byte\n"
    );
}
