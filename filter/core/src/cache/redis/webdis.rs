//! webdis (<https://github.com/nicolasff/webdis>): commands are paths, a binary value is a body, answers are RESP.
//!
//! Only `.raw` tells what Redis said: `.txt` and `.bin` give an error as 200 with the error's text for a value.

use std::borrow::Cow;

use super::resp::{self, Reply};
use super::{RedisWire, Refused, WireRequest};
use crate::callout::Method;

/// A webdis.
#[derive(Clone, Debug)]
pub struct Webdis {
    base: String,
}

impl Webdis {
    /// `base` is the path below which it is asked, without a slash at its end: empty, unless a proxy stands before it.
    pub fn new(base: &str) -> Self {
        Self { base: base.into() }
    }

    fn request(&self, method: Method, command: &[&str], body: Option<&[u8]>) -> WireRequest {
        let mut path = String::with_capacity(self.base.len().saturating_add(128));
        path.push_str(&self.base);
        for part in command {
            path.push('/');
            path.push_str(part);
        }
        path.push_str(".raw");
        WireRequest {
            method,
            path,
            headers: Vec::new(),
            body: body.map(Into::into),
        }
    }
}

impl RedisWire for Webdis {
    fn get(&self, key: &str) -> WireRequest {
        self.request(Method::Get, &["GET", key], None)
    }

    /// The value is the body, which webdis makes the command's last argument; so it is `SETEX` and not `SET .. EX`.
    fn setex(&self, key: &str, ttl_seconds: u64, value: &[u8]) -> WireRequest {
        let ttl = ttl_seconds.max(1).to_string();
        self.request(Method::Put, &["SETEX", key, &ttl], Some(value))
    }

    fn ping(&self) -> WireRequest {
        self.request(Method::Get, &["PING"], None)
    }

    fn parse_get<'a>(&self, status: u16, body: &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, Refused> {
        match reply(status, body)? {
            Reply::Bulk(value) => Ok(Some(value.into())),
            Reply::Nil => Ok(None),
            Reply::Simple(_) => Err(Refused::NotResp),
        }
    }

    fn parse_set(&self, status: u16, body: &[u8]) -> Result<(), Refused> {
        says(b"OK", status, body)
    }

    fn parse_ping(&self, status: u16, body: &[u8]) -> Result<(), Refused> {
        says(b"PONG", status, body)
    }
}

fn reply(status: u16, body: &[u8]) -> Result<Reply<'_>, Refused> {
    match status {
        200 => resp::parse(body),
        _ => Err(Refused::of_status(status)),
    }
}

fn says(word: &[u8], status: u16, body: &[u8]) -> Result<(), Refused> {
    if reply(status, body)? == Reply::Simple(word) {
        Ok(())
    } else {
        Err(Refused::NotResp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn commands_are_paths() {
        let (webdis, below) = (Webdis::new(""), Webdis::new("/redis"));
        let request = webdis.get("gomod-v1-0a");
        assert_eq!(
            (request.method, &*request.path),
            (Method::Get, "/GET/gomod-v1-0a.raw")
        );
        assert_eq!((request.headers, request.body), (vec![], None));
        assert_eq!(below.get("k").path, "/redis/GET/k.raw");
        assert_eq!(webdis.ping().path, "/PING.raw");
        let request = webdis.setex("k", 60, b"\0\r\n");
        assert_eq!(
            (request.method, &*request.path),
            (Method::Put, "/SETEX/k/60.raw")
        );
        assert_eq!(request.body.as_deref(), Some(&b"\0\r\n"[..]));
        assert_eq!(webdis.setex("k", 0, b"").path, "/SETEX/k/1.raw");
    }

    #[test]
    fn answers_are_resp() {
        let webdis = Webdis::new("");
        let value = webdis.parse_get(200, b"$5\r\nhello\r\n").unwrap();
        assert_eq!(value.as_deref(), Some(&b"hello"[..]));
        assert_eq!(webdis.parse_get(200, b"$-1\r\n"), Ok(None));
        assert_eq!(webdis.parse_set(200, b"+OK\r\n"), Ok(()));
        assert_eq!(webdis.parse_ping(200, b"+PONG\r\n"), Ok(()));
    }

    #[test]
    fn another_command_s_answer_is_refused() {
        let webdis = Webdis::new("");
        assert_eq!(webdis.parse_get(200, b"+OK\r\n"), Err(Refused::NotResp));
        for set in [&b"$-1\r\n"[..], b"$2\r\nOK\r\n", b"+PONG\r\n", b"+ok\r\n"] {
            let got = webdis.parse_set(200, set);
            assert_eq!(got, Err(Refused::NotResp), "{}", set.escape_ascii());
        }
        assert_eq!(webdis.parse_ping(200, b"+OK\r\n"), Err(Refused::NotResp));
    }

    #[test]
    fn what_the_gateway_refuses_is_told_by_its_status() {
        let webdis = Webdis::new("");
        for (status, reason) in [
            (403, Refused::NoAuth),
            (413, Refused::TooLarge),
            (503, Refused::Status),
            (304, Refused::Status),
            (206, Refused::Status),
        ] {
            assert_eq!(
                webdis.parse_get(status, b"$-1\r\n"),
                Err(reason),
                "{status}"
            );
            assert_eq!(
                webdis.parse_set(status, b"+OK\r\n"),
                Err(reason),
                "{status}"
            );
        }
    }
}
