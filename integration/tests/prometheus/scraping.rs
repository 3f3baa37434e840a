//! A gateway with all its parts, and clients that have it do everything that is counted.

use goproxy_integration::gateway::Gateway;
use goproxy_integration::http;
use goproxy_integration::origin::Origin;
use goproxy_integration::redis_server::{RedisServer, Webdis};
use goproxy_integration::running::Running;
use serde_json::{Value, json};

use crate::world::elasticsearch::{Elasticsearch, Setup};
use crate::world::{closed_port, config};

/// A gateway, and what it needs.
pub(crate) struct Scene {
    pub(crate) gateway: Running,
    pub(crate) config: Value,
    pub(crate) collector: Elasticsearch,
    _origin: Origin,
    _redis: (RedisServer, Webdis),
}

impl Scene {
    /// With one upstream that serves, one that fails, Redis, and both sinks of events.
    pub(crate) fn start(change: impl FnOnce(Gateway) -> Gateway) -> Self {
        let origin = Origin::start(&[]).expect("the origin");
        let failing = json!({"path": "/failing.example/*", "kind": "status", "status": 503});
        origin.fault(&failing).expect("a fault");
        let redis = RedisServer::start().expect("Redis");
        let webdis = Webdis::start(redis.addr()).expect("webdis");
        let collector = Elasticsearch::start(Setup::default());
        let config = config(
            &origin,
            json!({
                "upstreams": [
                    {"name": "origin", "target": "origin", "authority": origin.addr().to_string()},
                    {"name": "dead", "target": "dead", "authority": "dead.example"},
                ],
                "routes": [
                    {"modules": ["dead.example"], "chain": ["dead"]},
                    {"modules": ["*"], "chain": ["origin"]},
                ],
                "cache": {"redis": {"gateway": "webdis", "target": "redis_http"}},
                "events": {
                    "context": {"pod_uid": "a-pod", "node_ip": "192.0.2.1"},
                    "stdout": true,
                    "http": {"format": "elasticsearch", "target": "collector", "authority": "collector.example",
                             "index": "cce-logpilot-failures-%Y.%m", "max_age": "1s"},
                },
            }),
        );
        let gateway = Gateway::builder()
            .cluster("origin", &origin.url())
            .cluster("sums", &origin.url())
            .cluster("dead", &format!("http://127.0.0.1:{}", closed_port()))
            .cluster("collector", &format!("http://{}", collector.addr()))
            .redis_http(&webdis.addr().to_string())
            .config_json(config.to_string());
        let gateway = change(gateway)
            .start()
            .unwrap_or_else(|error| panic!("{error}"));
        Self {
            gateway,
            config,
            collector,
            _origin: origin,
            _redis: (redis, webdis),
        }
    }

    /// What clients ask of a team's gateway, failures among it. Another round asks for other modules.
    pub(crate) fn clients_ask(&self, round: u32) {
        let fresh = format!("/bench.example/n{round}/@v/v1.0.0");
        let missing = format!("/example.com/missing{round}/@v/v1.0.0");
        let paths = [
            (fresh.clone() + ".info", 200),
            (fresh.clone() + ".mod", 200),
            (fresh.clone() + ".mod", 200),
            (fresh + ".zip", 200),
            ("/example.com/a/@v/list".to_owned(), 200),
            ("/example.com/a/@latest".to_owned(), 200),
            ("/example.com/a/@v/master.info".to_owned(), 200),
            ("/sumdb/sum.origin.example/supported".to_owned(), 200),
            ("/sumdb/sum.origin.example/latest".to_owned(), 200),
            (missing.clone() + ".mod", 404),
            (missing + ".zip", 404),
            (format!("/failing.example/m{round}/@v/list"), 502),
            (format!("/failing.example/m{round}/@v/v1.0.0.mod"), 502),
            (format!("/dead.example/m{round}/@v/v1.0.0.mod"), 502),
            ("/example.com/Upper/@v/list".to_owned(), 404),
            ("/-/healthz".to_owned(), 200),
        ];
        for (path, status) in paths {
            let answer = http::get(self.gateway.addr(), &path).expect("an answer");
            assert_eq!(answer.status, status, "{path}: {}", answer.text());
        }
    }
}
