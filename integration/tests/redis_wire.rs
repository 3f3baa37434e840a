//! What the core asks of webdis and reads from it, against a real webdis before a real Redis in each of its moods.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use goproxy_core::cache::redis::{
    RedisWire, Refused, SigningKey, Webdis as Wire, WireRequest, open, redis_key, seal,
};
use goproxy_core::cache::{ContentType, Entry, EntryHead, Key};
use goproxy_core::{Method, Timestamp};
use goproxy_integration::http;
use goproxy_integration::redis_server::{ADMIN_PASSWORD, PASSWORD, RedisServer, Webdis, free_port};

type Outcome<T> = Result<T, Box<dyn Error>>;

const CACHE_KEY: &str = "/example.com/a/@v/list";
const PATIENCE: Duration = Duration::from_secs(20);

/// What one request of each kind comes to: a read, a write, a ping.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    get: Result<Option<Vec<u8>>, Refused>,
    set: Result<(), Refused>,
    ping: Result<(), Refused>,
}

struct Asking<'a> {
    webdis: &'a Webdis,
    wire: Wire,
    key: String,
}

impl<'a> Asking<'a> {
    fn of(webdis: &'a Webdis) -> Self {
        Self {
            webdis,
            wire: Wire::new(""),
            key: redis_key("gomod", &Key::public("n", CACHE_KEY)),
        }
    }

    fn send(&self, request: &WireRequest) -> Outcome<(u16, Vec<u8>)> {
        assert!(request.headers.is_empty());
        let (address, path) = (self.webdis.addr(), &request.path);
        let body = request.body.as_deref();
        let answer = match request.method {
            Method::Get => http::get(address, path)?,
            method => http::send(method.as_str(), address, path, body.unwrap_or_default())?,
        };
        Ok((answer.status, answer.body))
    }

    fn get(&self) -> Outcome<Result<Option<Vec<u8>>, Refused>> {
        let (status, body) = self.send(&self.wire.get(&self.key))?;
        let read = self.wire.parse_get(status, &body);
        Ok(read.map(|value| value.map(|value| value.into_owned())))
    }

    fn set(&self, ttl_seconds: u64, value: &[u8]) -> Outcome<Result<(), Refused>> {
        let (status, body) = self.send(&self.wire.setex(&self.key, ttl_seconds, value))?;
        Ok(self.wire.parse_set(status, &body))
    }

    fn ping(&self) -> Outcome<Result<(), Refused>> {
        let (status, body) = self.send(&self.wire.ping())?;
        Ok(self.wire.parse_ping(status, &body))
    }

    fn all(&self) -> Outcome<Told> {
        Ok(Told {
            get: self.get()?,
            set: self.set(60, b"value")?,
            ping: self.ping()?,
        })
    }
}

/// What Redis answers an administrator.
fn administrator(redis: &RedisServer, command: &str, end: &str) -> Outcome<String> {
    let mut stream = TcpStream::connect(redis.addr())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("AUTH admin {ADMIN_PASSWORD}\r\n{command}\r\n").as_bytes())?;
    let mut said = String::new();
    let mut buffer = [0; 4096];
    while !(said.starts_with("+OK\r\n") && said.len() > 5 && said.ends_with(end)) {
        let got = stream.read(&mut buffer)?;
        if got == 0 {
            return Err(format!("{command}: Redis hung up after {said:?}").into());
        }
        said.push_str(&String::from_utf8_lossy(&buffer[..got]));
    }
    Ok(said.split_off(5))
}

#[test]
fn what_is_written_is_read_with_every_byte_and_is_gone_in_time() -> Outcome<()> {
    let redis = RedisServer::start()?;
    let webdis = Webdis::start(redis.addr())?;
    let asking = Asking::of(&webdis);
    assert_eq!(asking.ping()?, Ok(()));
    assert_eq!(asking.get()?, Ok(None));
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(256 * 1024).collect();
    let head = EntryHead {
        status: 200,
        content_type: ContentType::Binary,
        stored_at: Timestamp::from_millis(1),
        fresh_until: Timestamp::from_millis(2),
        stale_until: Timestamp::from_millis(3),
    };
    let cache_key = Key::public("n", CACHE_KEY);
    let signing_key = SigningKey::from_secret("sixteen-bytes-xx")?;
    for body in [&bytes[..], b"", b"\r\n", b"$-1\r\n"] {
        let entry = Entry::new(head, cache_key.as_str(), "public", body)?;
        let value = seal(&entry, Timestamp::from_millis(4), Some(&signing_key));
        assert_eq!(asking.set(60, &value)?, Ok(()));
        let read = asking.get()?.map_err(|reason| reason.name())?;
        let read = read.ok_or("no value")?;
        let sealed =
            open(&read, cache_key.as_str(), Some(&signing_key)).map_err(|reason| reason.name())?;
        assert_eq!(sealed.entry.body(), body);
    }
    let ttl = administrator(&redis, &format!("TTL {}", asking.key), "\r\n")?;
    let seconds: u64 = ttl.trim_start_matches(':').trim_end().parse()?;
    assert!((1..=60).contains(&seconds), "{ttl}");
    assert_eq!(asking.set(0, b"brief")?, Ok(()), "a second at the least");
    let until = Instant::now() + PATIENCE;
    while asking.get()? != Ok(None) {
        assert!(Instant::now() < until, "it stays");
    }
    Ok(())
}

#[test]
fn every_mood_of_redis_has_its_reason() -> Outcome<()> {
    let master = free_port()?.to_string();
    let replica = ["--replicaof", "127.0.0.1", &master];
    let stale = [&replica[..], &["--replica-serve-stale-data", "no"]].concat();
    let full = ["--maxmemory", "1mb", "--maxmemory-policy", "noeviction"];
    let all = |reason| Told {
        get: Err(reason),
        set: Err(reason),
        ping: Err(reason),
    };
    let reads = |reason| Told {
        get: Ok(None),
        set: Err(reason),
        ping: Ok(()),
    };
    for (mood, arguments, expected) in [
        ("full", &full[..], reads(Refused::OutOfMemory)),
        ("a replica", &replica[..], reads(Refused::ReadOnly)),
        (
            "without its master",
            &stale[..],
            Told {
                set: Err(Refused::ReadOnly),
                ..all(Refused::Loading)
            },
        ),
        (
            "a cluster without slots",
            &["--cluster-enabled", "yes"][..],
            Told {
                get: Err(Refused::Loading),
                set: Err(Refused::Loading),
                ping: Ok(()),
            },
        ),
    ] {
        let redis = RedisServer::with(arguments, str::to_owned)?;
        let webdis = Webdis::start(redis.addr())?;
        assert_eq!(Asking::of(&webdis).all()?, expected, "{mood}");
    }
    Ok(())
}

#[test]
fn a_redis_or_webdis_that_does_not_know_us_says_so() -> Outcome<()> {
    let redis = RedisServer::start()?;
    let noauth = Told {
        get: Err(Refused::NoAuth),
        set: Err(Refused::NoAuth),
        ping: Err(Refused::NoAuth),
    };
    let no_password = Webdis::with(redis.addr(), |file| file.replace(PASSWORD, "another"))?;
    assert_eq!(Asking::of(&no_password).all()?, noauth);
    let no_command = Webdis::with(redis.addr(), |file| {
        file.replace(r#""GET", "SETEX", "PING""#, r#""TTL""#)
    })?;
    assert_eq!(Asking::of(&no_command).all()?, noauth);
    let webdis = Webdis::start(redis.addr())?;
    let mut others = Asking::of(&webdis);
    others.key = redis_key("other", &Key::public("n", CACHE_KEY));
    assert_eq!(others.get()?, Err(Refused::NoAuth), "another prefix");
    Ok(())
}

#[test]
fn what_webdis_does_not_take_and_a_redis_that_is_gone_are_told() -> Outcome<()> {
    let redis = RedisServer::start()?;
    let webdis = Webdis::with(redis.addr(), |file| {
        file.replace(
            r#""http_max_request_size": 2097152"#,
            r#""http_max_request_size": 1000"#,
        )
    })?;
    let asking = Asking::of(&webdis);
    assert_eq!(asking.set(60, &[0; 100])?, Ok(()));
    // It looks between two pieces of a request: what comes in one is taken.
    assert_eq!(asking.set(60, &[0; 64 * 1024])?, Err(Refused::TooLarge));
    redis.kill();
    let gone = Told {
        get: Err(Refused::Status),
        set: Err(Refused::Status),
        ping: Err(Refused::Status),
    };
    assert_eq!(asking.all()?, gone);
    Ok(())
}

#[test]
fn a_list_in_the_place_of_a_value_is_an_error_of_redis() -> Outcome<()> {
    let redis = RedisServer::start()?;
    let webdis = Webdis::start(redis.addr())?;
    let asking = Asking::of(&webdis);
    administrator(&redis, &format!("LPUSH {} x", asking.key), "\r\n")?;
    assert_eq!(asking.get()?, Err(Refused::RedisError));
    Ok(())
}
