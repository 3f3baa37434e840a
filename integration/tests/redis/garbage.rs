//! A gateway before Redis that answers whatever can be answered: each is a miss, none of it reaches a client.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use goproxy_integration::http;
use goproxy_integration::origin::Origin;
use serde_json::json;

use crate::shared::{Shared, config, get, of, start};
use crate::world::stub::{Asked, Say, Stub};
use crate::world::{assert_unharmed, eventually};

const RAW: &str = "binary/octet-stream";

fn raw(text: &str) -> Say {
    Say::Answer(200, RAW, text.as_bytes().to_vec())
}

/// What has been seen of webdis, of what stands before one, and of nobody.
fn answers() -> Vec<(&'static str, Say)> {
    let status = |status, text: &str| Say::Answer(status, "text/plain", text.as_bytes().to_vec());
    let page = "<!DOCTYPE html><html><body>Sign in</body></html>";
    vec![
        ("OOM", raw("-OOM command not allowed when used memory > 'maxmemory'.\r\n")),
        ("MOVED", raw("-MOVED 3999 127.0.0.1:6381\r\n")),
        ("ASK", raw("-ASK 3999 127.0.0.1:6381\r\n")),
        ("LOADING", raw("-LOADING Redis is loading the dataset in memory\r\n")),
        ("NOAUTH", raw("-NOAUTH Authentication required.\r\n")),
        ("READONLY", raw("-READONLY You can't write against a read only replica.\r\n")),
        ("WRONGTYPE", raw("-WRONGTYPE Operation against a key\r\n")),
        ("upstream failure", raw("-upstream failure\r\n")),
        ("an error without an end", raw("-ERR")),
        ("an empty value", raw("$0\r\n\r\n")),
        ("another program's value", raw("$5\r\nhello\r\n")),
        ("a value that ends early", raw("$500\r\ngopr\r\n")),
        ("a value without an end", raw("$5\r\nhello")),
        ("a value with more behind it", raw("$5\r\nhello\r\n+OK\r\n")),
        ("a length that is none", raw("$-2\r\n")),
        ("a length above all limits", raw("$99999999999999999999\r\n")),
        ("a length with a sign", raw("$+5\r\nhello\r\n")),
        ("another command's answer", raw("+OK\r\n")),
        ("a number", raw(":1\r\n")),
        ("an array", raw("*1\r\n$5\r\nhello\r\n")),
        ("a null of RESP3", raw("_\r\n")),
        ("an empty body", raw("")),
        ("line feeds only", raw("$5\nhello\n")),
        ("a login page", Say::Answer(200, "text/html", page.as_bytes().to_vec())),
        ("JSON", Say::Answer(200, "application/json", br#"{"GET":null}"#.to_vec())),
        ("zeros", Say::Answer(200, RAW, vec![0; 100_000])),
        ("two megabytes", Say::Answer(200, RAW, vec![b'$'; 2 << 20])),
        ("204", Say::Raw(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())),
        ("206", status(206, "$5\r\nhello\r\n")),
        ("302", Say::Raw(b"HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n".to_vec())),
        ("400", status(400, "")),
        ("401", status(401, "who?")),
        ("403", status(403, "")),
        ("404", status(404, "$5\r\nhello\r\n")),
        ("413", status(413, "")),
        ("500", status(500, "-ERR")),
        ("503", status(503, "")),
        ("no HTTP", Say::Raw(b"-ERR unknown command 'HTTP/1.1'\r\n".to_vec())),
        ("an end before any byte", Say::Raw(Vec::new())),
        ("a body that is cut", Say::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n$94\r\ngopr".to_vec())),
        ("a body by drops", Say::Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n$-1\r\n".to_vec(), Duration::from_millis(100))),
        ("two lengths", Say::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n$-1\r\n".to_vec())),
        ("nothing", Say::Hang),
    ]
}

/// Each asks for an object of its own, and for one that was asked for before.
#[test]
fn no_answer_of_a_gateway_reaches_a_client_or_hurts() {
    let origin = Origin::start(&[]).unwrap();
    let answer = Arc::new(Mutex::new(raw("$-1\r\n")));
    let asked = Arc::new(AtomicUsize::new(0));
    let stub = {
        let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
        Stub::start(move |_| {
            asked.fetch_add(1, Ordering::SeqCst);
            answer.lock().unwrap().clone()
        })
    };
    // Redis is asked each time, whatever it said before.
    let part = json!({"max_fails": 0, "timeout": "300ms"});
    let mut config = config(&origin, part);
    for tier in ["memory", "shared"] {
        config["cache"][tier] = json!({"size": "0B"});
    }
    let gateway = start(of(&origin, &config).redis_http(&stub.addr().to_string()));
    let expected = |number: usize| {
        let path = format!("/bench.example/n{number}/@v/v1.0.0.mod");
        let body = http::get(origin.addr(), &path).unwrap().body;
        (path, body)
    };
    for (number, (name, say)) in answers().into_iter().enumerate() {
        *answer.lock().unwrap() = say;
        let before = asked.load(Ordering::SeqCst);
        for number in [number, 0] {
            let (path, body) = expected(number);
            let began = Instant::now();
            let got = get(&gateway, &path);
            assert!(
                got.status == 200 && got.whole && got.body == body,
                "{name}: {got:?}"
            );
            let took = began.elapsed();
            assert!(took < Duration::from_secs(3), "{name}: {took:?}");
        }
        assert!(
            asked.load(Ordering::SeqCst) >= before + 2,
            "{name}: not asked"
        );
        // The answer to the write is read too, and is no better.
        eventually(&format!("{name}: it is written"), || {
            asked.load(Ordering::SeqCst) >= before + 4
        });
    }
    assert_unharmed(&gateway, "every kind of garbage");
}

#[test]
fn webdis_is_asked_for_what_it_understands_and_for_nothing_else() {
    let origin = Origin::start(&[]).unwrap();
    let all = Arc::new(Mutex::new(Vec::<Asked>::new()));
    let stub = {
        let all = Arc::clone(&all);
        Stub::start(move |asked| {
            all.lock().unwrap().push(asked.clone());
            raw(if asked.method == "PUT" {
                "+OK\r\n"
            } else {
                "$-1\r\n"
            })
        })
    };
    let config = config(&origin, json!({}));
    let gateway = start(of(&origin, &config).redis_http(&stub.addr().to_string()));
    let headers = [
        ("authorization", "Bearer secret"),
        ("cookie", "a=b"),
        ("if-none-match", "*"),
    ];
    let path = "/example.com/a/@v/v1.0.0.mod";
    let answer = crate::world::h1::get_with(gateway.addr(), path, &headers);
    assert_eq!(answer.status, 304, "{answer:?}");
    eventually("it is written", || {
        all.lock()
            .unwrap()
            .iter()
            .any(|asked| asked.method == "PUT")
    });
    for asked in all.lock().unwrap().iter() {
        let path: Vec<&str> = asked.path.split('/').collect();
        match (asked.method.as_str(), &path[..]) {
            ("GET", ["", "GET", key]) => assert_is_key(key),
            ("PUT", ["", "SETEX", key, ttl]) => {
                assert_is_key(&format!("{key}.raw"));
                let ttl: u64 = ttl.strip_suffix(".raw").unwrap().parse().unwrap();
                assert!((1..=30 * 86_400).contains(&ttl), "{ttl}");
                assert!(!asked.body.is_empty());
            }
            ("GET", ["", "PING.raw"]) => {}
            _ => panic!("{asked:?}"),
        }
        for secret in ["authorization", "cookie", "if-none-match"] {
            assert_eq!(asked.header(secret), None, "{asked:?}");
        }
    }
}

fn assert_is_key(last: &str) {
    let key = last
        .strip_suffix(".raw")
        .unwrap_or_else(|| panic!("{last}"));
    assert!(key.starts_with("gomod-v"), "{key}");
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    assert!(key.bytes().all(plain), "{key}");
}

/// webdis hangs up on one and answers the next: nobody gets another's answer.
#[test]
fn answers_that_come_late_reach_nobody_else() {
    let shared = Shared::start();
    let first = shared.gateway();
    let path = |number: usize| format!("/bench.example/n{number}/@v/v1.0.0.mod");
    for number in 0..100 {
        assert_eq!(get(&first, &path(number)).status, 200);
    }
    shared.look().await_keys(100);
    let mut config = config(&shared.origin, json!({"timeout": "30ms", "max_fails": 0}));
    for tier in ["memory", "shared"] {
        config["cache"][tier] = json!({"size": "0B"});
    }
    let gateway = start(shared.gateway_of(&config));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let gateway = &gateway;
                scope.spawn(move || {
                    for round in 0..60 {
                        let number = (client * 13 + round * 7) % 100;
                        let answer = get(gateway, &path(number));
                        let module = format!("module bench.example/n{number}\n");
                        assert!(
                            answer.status == 200 && answer.body.starts_with(module.as_bytes()),
                            "n{number}: {answer:?}"
                        );
                    }
                })
            })
            .collect();
        // Time after time some calls are late, and their connections are closed in the middle.
        while !clients.iter().all(|client| client.is_finished()) {
            let redis = shared.redis.child();
            redis.signal(nix::sys::signal::Signal::SIGSTOP);
            let _ = redis.wait_at_most(Duration::from_millis(50));
            redis.signal(nix::sys::signal::Signal::SIGCONT);
            let _ = redis.wait_at_most(Duration::from_millis(50));
        }
    });
    assert_unharmed(&gateway, "late answers");
}
