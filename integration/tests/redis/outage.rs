//! Upstreams that are down, slow or lie, while Redis has what is asked.

use goproxy_integration::go::GoHome;
use goproxy_integration::origin::Origin;
use serde_json::{Value, json};

use crate::shared::{Shared, get};
use crate::world::{assert_unharmed, eventually};

const PATHS: [&str; 4] = [
    "/example.com/a/@v/v1.0.0.info",
    "/example.com/a/@v/v1.0.0.mod",
    "/example.com/tenk/@v/v1.0.0.zip",
    "/example.com/a/@v/list",
];

/// The upstream does this to everything; what is in Redis is served whole, and it is not even asked.
#[test]
fn what_is_in_redis_is_served_whatever_the_upstream_does() {
    let shared = Shared::start();
    let first = shared.gateway();
    let good: Vec<_> = PATHS.iter().map(|path| get(&first, path).body).collect();
    shared.look().await_keys(PATHS.len());
    for order in [
        json!({"kind": "reset"}),
        json!({"kind": "status", "status": 500}),
        json!({"kind": "status", "status": 404}),
        json!({"kind": "hang"}),
        json!({"kind": "delay", "delay": "20s"}),
        json!({"kind": "truncate"}),
        json!({"kind": "html"}),
        json!({"kind": "tampered"}),
    ] {
        shared.origin.fault(&order).unwrap();
        let gateway = shared.gateway();
        for (path, good) in PATHS.iter().zip(&good) {
            let answer = get(&gateway, path);
            assert!(
                answer.status == 200 && answer.whole && answer.body == *good,
                "{order}: {path}: {answer:?}"
            );
        }
        shared.origin.clear_faults().unwrap();
        assert_unharmed(&gateway, &order.to_string());
    }
}

#[test]
fn an_old_list_in_redis_is_served_stale_while_the_upstream_is_dead() {
    let shared = Shared::start();
    let config = |mutable: &str| {
        let mut config = crate::shared::config(&shared.origin, json!({}));
        config["cache"]["freshness"] = json!({"mutable": mutable});
        crate::shared::start(shared.gateway_of(&config))
    };
    let list = "/example.com/a/@v/list";
    let first = config("1s");
    let good = get(&first, list).body;
    shared.look().await_keys(1);
    shared.origin.fault(&json!({"kind": "reset"})).unwrap();
    let gateway = config("1s");
    let mut stale = None;
    eventually("it is old", || {
        let answer = get(&gateway, list);
        assert!(answer.status == 200 && answer.body == good, "{answer:?}");
        let status = answer.header("cache-status").unwrap().to_owned();
        stale =
            Some(status).filter(|status| status.contains("ttl=-") || status.contains("fwd=stale"));
        stale.is_some()
    });
    assert_unharmed(&gateway, &stale.unwrap());
}

/// Nobody is there at all: an empty gateway, an empty `go`, and Redis.
#[test]
fn the_real_go_downloads_everything_from_redis_while_the_upstream_is_dead() {
    let shared = Shared::start();
    let key = shared.origin.sumdb_key().to_owned();
    let download = |url: String| {
        let home = GoHome::new().unwrap().proxy(url).sumdb(&key);
        let program = home.folder().join("program");
        Origin::write_program(&program).unwrap();
        for arguments in [
            ["mod", "download", "all"].as_slice(),
            &["build", "-o", "hello", "."],
        ] {
            let output = home
                .go(arguments.iter().copied())
                .dir(&program)
                .run()
                .unwrap();
            assert!(output.status.success(), "{}", output.stderr);
        }
        std::fs::read_to_string(program.join("go.sum")).unwrap()
    };
    let first = shared.gateway();
    let sums = download(first.url());
    let seen = shared.origin.seen().unwrap();
    let fetched = seen
        .iter()
        .filter(|seen| seen.status == 200)
        .map(|seen| seen.path.as_str())
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    assert!(fetched > 200, "{fetched}");
    shared.look().await_keys(fetched);

    let Shared {
        redis,
        webdis,
        origin,
    } = shared;
    let dead = Gone::from(origin);
    let gateway = dead.gateway(&webdis.addr().to_string());
    assert_eq!(download(gateway.url()), sums);
    assert_unharmed(&gateway, "a build from Redis");
    drop(redis);
}

/// An origin that was, as a gateway knows it.
struct Gone {
    config: Value,
    url: String,
}

impl Gone {
    fn from(origin: Origin) -> Self {
        Self {
            config: crate::shared::config(&origin, json!({})),
            url: origin.url(),
        }
    }

    fn gateway(&self, webdis: &str) -> goproxy_integration::running::Running {
        let gateway = goproxy_integration::gateway::Gateway::builder()
            .cluster("origin", &self.url)
            .cluster("sums", &self.url)
            .config_json(self.config.to_string())
            .redis_http(webdis);
        crate::shared::start(gateway)
    }
}
