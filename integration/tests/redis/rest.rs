//! A REST gateway as Upstash and serverless-redis-http are, with a token that nobody else gets to see.

use goproxy_integration::gateway::Gateway;
use goproxy_integration::http;
use goproxy_integration::origin::Origin;
use goproxy_integration::redis_http::RedisHttp;
use goproxy_integration::running::Running;
use serde_json::json;

use crate::shared::{get, of, start};
use crate::upstash::{BASE, TOKEN, Upstash};
use crate::world::{assert_unharmed, config, eventually};

const KEY: &str = "signing-key-of-the-tests-0123456789";

const PATHS: [&str; 3] = [
    "/example.com/a/@v/v1.0.0.mod",
    "/example.com/a/@v/list",
    "/example.com/tenk/@v/v1.0.0.zip",
];

/// As the launcher makes it of a person's variables, but for a timeout that a busy machine keeps.
fn gateway(origin: &Origin, upstash: &Upstash) -> Running {
    let mut part = RedisHttp::parse(&upstash.url(), true, true)
        .unwrap()
        .configuration();
    part["timeout"] = json!("2s");
    let config = config(origin, json!({"cache": {"redis": part}}));
    start(
        of(origin, &config)
            .secret("REDIS_TOKEN", TOKEN)
            .secret("REDIS_SIGNING_KEY", KEY)
            .redis_http(&upstash.url()),
    )
}

#[test]
fn a_second_process_answers_what_the_first_has_fetched() {
    let (origin, upstash) = (Origin::start(&[]).unwrap(), Upstash::start());
    let first = gateway(&origin, &upstash);
    let bodies = PATHS.map(|path| get(&first, path).body);
    eventually("all are written", || upstash.values().len() == PATHS.len());
    for (key, stored) in upstash.values() {
        assert!(key.starts_with("gomod-v"), "{key}");
        assert!(
            stored.ttl.is_some_and(|ttl| ttl <= 30 * 86_400),
            "{stored:?}"
        );
        assert!(stored.value.is_ascii());
    }
    origin.forget().unwrap();
    let second = gateway(&origin, &upstash);
    for (path, body) in PATHS.iter().zip(&bodies) {
        let answer = get(&second, path);
        assert!(answer.status == 200 && answer.body == *body, "{answer:?}");
    }
    let asked = origin.seen().unwrap();
    assert!(asked.is_empty(), "{asked:?}");
    assert_eq!(upstash.refused(), Vec::<String>::new());
    assert_unharmed(&second, "a REST gateway");
}

#[test]
fn token_and_key_are_seen_by_nobody() {
    let (origin, upstash) = (Origin::start(&[]).unwrap(), Upstash::start());
    let gateway = gateway(&origin, &upstash);
    let mut shown = Vec::new();
    for path in PATHS {
        let answer = get(&gateway, path);
        shown.push((path.to_owned(), format!("{answer:?}")));
    }
    eventually("all are written", || upstash.values().len() == PATHS.len());
    for page in [
        "/config_dump?include_eds",
        "/clusters",
        "/stats",
        "/server_info",
        "/init_dump",
    ] {
        let answer = http::get(gateway.admin(), page).unwrap();
        assert_eq!(answer.status, 200, "{page}");
        shown.push((page.to_owned(), answer.text()));
    }
    for page in ["/", "/-/status", "/-/healthz", "/-/readyz", "/-/metrics"] {
        shown.push((page.to_owned(), get(&gateway, page).text()));
    }
    shown.push(("log".to_owned(), gateway.log()));
    shown.push(("standard output".to_owned(), gateway.stdout()));
    shown.push((
        "what the upstream got".to_owned(),
        format!("{:?}", origin.seen().unwrap()),
    ));
    for file in files(gateway.folder()) {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        shown.push((file.display().to_string(), text));
    }
    for (place, text) in shown {
        for secret in [TOKEN, KEY] {
            assert!(!text.contains(secret), "{secret} is in {place}");
        }
    }
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.is_file())
        .collect()
}

#[test]
fn a_wrong_token_is_a_cache_that_is_off() {
    let (origin, upstash) = (Origin::start(&[]).unwrap(), Upstash::start());
    let gateway = start(
        Gateway::builder()
            .upstream(&origin.url())
            .secret("REDIS_TOKEN", "another-token")
            .redis_http(&upstash.url()),
    );
    for path in PATHS {
        assert_eq!(get(&gateway, path).status, 200, "{path}");
    }
    eventually("it was refused", || !upstash.refused().is_empty());
    assert!(upstash.refused().iter().all(|why| why.starts_with("401 ")));
    assert!(upstash.values().is_empty());
    assert_unharmed(&gateway, "a wrong token");
}

#[test]
fn without_its_secret_a_configuration_is_refused_by_the_name() {
    let (origin, upstash) = (Origin::start(&[]).unwrap(), Upstash::start());
    let part = json!({"gateway": "upstash", "target": "redis_http", "path": BASE, "token": "env:NO_SUCH_VARIABLE"});
    let config = config(&origin, json!({"cache": {"redis": part}}));
    let error = of(&origin, &config)
        .cluster("redis_http", &format!("http://{}", upstash.addr()))
        .start()
        .expect_err("it must not start");
    let said = error.to_string();
    assert!(
        said.contains("cache.redis.token") && said.contains("NO_SUCH_VARIABLE"),
        "{said}"
    );
}
