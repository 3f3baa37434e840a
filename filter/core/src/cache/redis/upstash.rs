//! The REST API of Upstash (<https://upstash.com/docs/redis/features/restapi>), which serverless-redis-http speaks too:
//! every command is a JSON array in the body of a `POST /`, every answer a JSON object.
//!
//! JSON carries text only, so what stands in Redis is the value in base64 (RFC 4648, section 4), and so what is read is
//! ASCII: the header `upstash-encoding: base64`, which would make it base64 of base64, is not sent. The paths of Upstash
//! (`/get/<key>`) are not used, since serverless-redis-http has none. A value that a webdis wrote into the same Redis
//! is [`Refused::Magic`] here, and so is the other way round: gateways of both kinds need a prefix each.

use std::borrow::Cow;
use std::rc::Rc;

use base64ct::{Base64, Encoding as _};

use super::secret::Bearer;
use super::{RedisWire, Refused, SecretError, WireRequest};
use crate::callout::Method;
use crate::config::Node;

/// A REST gateway.
#[derive(Clone, Debug)]
pub struct Upstash {
    path: String,
    token: Bearer,
}

impl Upstash {
    /// `base` is the path below which it is asked, without a slash at its end; `token` what it knows us by.
    ///
    /// # Errors
    /// [`SecretError::Token`] for what cannot stand in a header.
    pub fn new(base: &str, token: &str) -> Result<Self, SecretError> {
        Ok(Self {
            path: [base, "/"].concat(),
            token: Bearer::from_secret(token)?,
        })
    }

    /// The parts need no escaping in a JSON string.
    fn request(&self, command: &[&str]) -> WireRequest {
        let body = ["[\"", &command.join("\",\""), "\"]"].concat();
        WireRequest {
            method: Method::Post,
            path: self.path.clone(),
            // serverless-redis-http takes exactly this content type, without parameters.
            headers: vec![
                ("content-type", "application/json".into()),
                ("authorization", self.token.value()),
            ],
            body: Some(Rc::from(body.into_bytes())),
        }
    }
}

impl RedisWire for Upstash {
    fn get(&self, key: &str) -> WireRequest {
        self.request(&["GET", key])
    }

    fn setex(&self, key: &str, ttl_seconds: u64, value: &[u8]) -> WireRequest {
        let (ttl, value) = (ttl_seconds.max(1).to_string(), Base64::encode_string(value));
        self.request(&["SETEX", key, &ttl, &value])
    }

    fn ping(&self) -> WireRequest {
        self.request(&["PING"])
    }

    fn parse_get<'a>(&self, status: u16, body: &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, Refused> {
        match result(status, body)? {
            Some(text) => Base64::decode_vec(&text)
                .map(|value| Some(value.into()))
                .map_err(|_| Refused::Magic),
            None => Ok(None),
        }
    }

    fn parse_set(&self, status: u16, body: &[u8]) -> Result<(), Refused> {
        says("OK", status, body)
    }

    fn parse_ping(&self, status: u16, body: &[u8]) -> Result<(), Refused> {
        says("PONG", status, body)
    }
}

fn says(word: &str, status: u16, body: &[u8]) -> Result<(), Refused> {
    if result(status, body)?.as_deref() == Some(word) {
        Ok(())
    } else {
        Err(Refused::NotResp)
    }
}

/// The text that Redis answered; `None` for its nil.
///
/// An error of Redis comes with status 400, as a malformed request does: then it is told by its text.
fn result(status: u16, body: &[u8]) -> Result<Option<String>, Refused> {
    if !matches!(status, 200 | 400) {
        return Err(Refused::of_status(status));
    }
    match (Node::parse(body), status) {
        (Ok(Node::Object(fields)), _) => result_of(fields, status),
        (_, 400) => Err(Refused::Status),
        (Err(error), _) if error.is_cut_off => Err(Refused::Truncated),
        _ => Err(Refused::NotResp),
    }
}

/// Of `{"result": "text"}`, `{"result": null}` or `{"error": "text"}`; whatever else is in it does not count.
fn result_of(fields: Vec<(String, Node)>, status: u16) -> Result<Option<String>, Refused> {
    let (mut result, mut error) = (None, None);
    for (name, node) in fields {
        let told = match name.as_str() {
            "result" => &mut result,
            "error" => &mut error,
            _ => continue,
        };
        if told.replace(node).is_some() {
            return Err(Refused::NotResp);
        }
    }
    match (error, result) {
        (Some(Node::Text(error)), _) => Err(Refused::of_error(error.as_bytes())),
        _ if status != 200 => Err(Refused::Status),
        (_, Some(Node::Text(text))) => Ok(Some(text)),
        (_, Some(Node::Null)) => Ok(None),
        _ => Err(Refused::NotResp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    fn upstash() -> Upstash {
        Upstash::new("", "t0ken").unwrap()
    }

    fn body(request: &WireRequest) -> &str {
        std::str::from_utf8(request.body.as_deref().unwrap()).unwrap()
    }

    #[test]
    fn commands_are_arrays_in_a_post() {
        let request = upstash().setex("gomod-v1-0a", 60, b"\0\xff\"\n");
        assert_eq!((request.method, &*request.path), (Method::Post, "/"));
        assert_eq!(body(&request), r#"["SETEX","gomod-v1-0a","60","AP8iCg=="]"#);
        let headers: Vec<(&str, &str)> = request
            .headers
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        assert_eq!(
            headers,
            [
                ("content-type", "application/json"),
                ("authorization", "Bearer t0ken")
            ]
        );
        assert_eq!(body(&upstash().get("k")), r#"["GET","k"]"#);
        assert_eq!(body(&upstash().ping()), r#"["PING"]"#);
        assert_eq!(
            body(&upstash().setex("k", 0, b"")),
            r#"["SETEX","k","1",""]"#
        );
        assert_eq!(
            Upstash::new("/redis", "t").unwrap().get("k").path,
            "/redis/"
        );
    }

    #[test]
    fn no_token_shows() {
        let wire = upstash();
        let shown = format!("{wire:?} {:?}", wire.get("k"));
        assert!(!shown.contains("t0ken"), "{shown}");
    }

    #[test]
    fn answers_are_objects() {
        for (answer, value) in [
            (r#"{"result":"AP8iCg=="}"#, Some(&b"\0\xff\"\n"[..])),
            (
                " {\"id\": [{}], \"result\" : \"AP8iCg\\u003d=\"}\n",
                Some(b"\0\xff\"\n"),
            ),
            (r#"{"result":""}"#, Some(b"")),
            (r#"{"result":null}"#, None),
        ] {
            let got = upstash().parse_get(200, answer.as_bytes());
            assert_eq!(
                got.as_ref().map(|value| value.as_deref()),
                Ok(value),
                "{answer}"
            );
        }
        assert_eq!(upstash().parse_set(200, br#"{"result":"OK"}"#), Ok(()));
        assert_eq!(upstash().parse_ping(200, br#"{"result":"PONG"}"#), Ok(()));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for (status, answer, reason) in [
            (200, "", Refused::Truncated),
            (200, r#"{"result":"AP8i"#, Refused::Truncated),
            (200, r#"{"result":"AP8i""#, Refused::Truncated),
            (200, "{}", Refused::NotResp),
            (200, "[]", Refused::NotResp),
            (200, r#""OK""#, Refused::NotResp),
            (200, r#"{"result":1}"#, Refused::NotResp),
            (200, r#"{"result":["AP8i"]}"#, Refused::NotResp),
            (200, r#"{"result":"AP8i"}{}"#, Refused::NotResp),
            (
                200,
                r#"{"result":"AP8i","result":"AP8i"}"#,
                Refused::NotResp,
            ),
            (200, "<html>Sign in</html>", Refused::NotResp),
            (200, "$4\r\nAP8i\r\n", Refused::NotResp),
            (200, r#"{"result":"no base64"}"#, Refused::Magic),
            (200, r#"{"result":"AP8iCg"}"#, Refused::Magic),
            (200, r#"{"result":"AP8iCh=="}"#, Refused::Magic),
            (
                200,
                r#"{"error":"OOM command not allowed"}"#,
                Refused::OutOfMemory,
            ),
            (
                400,
                r#"{"error":"OOM command not allowed"}"#,
                Refused::OutOfMemory,
            ),
            (400, r#"{"error":"ERR syntax error"}"#, Refused::RedisError),
            (
                400,
                r#"{"result":"AP8i","error":"READONLY"}"#,
                Refused::ReadOnly,
            ),
            (400, r#"{"result":"AP8i"}"#, Refused::Status),
            (400, "", Refused::Status),
            (401, r#"{"error":"Invalid token"}"#, Refused::NoAuth),
            (413, "", Refused::TooLarge),
            (404, r#"{"error":"OOM"}"#, Refused::Status),
            (
                500,
                r#"{"error":"SRH: Unable to connect to the Redis server."}"#,
                Refused::Status,
            ),
        ] {
            let got = upstash().parse_get(status, answer.as_bytes());
            assert_eq!(got, Err(reason), "{status} {answer}");
        }
        for answer in [
            r#"{"result":null}"#,
            r#"{"result":"ok"}"#,
            r#"{"result":"PONG"}"#,
        ] {
            let got = upstash().parse_set(200, answer.as_bytes());
            assert_eq!(got, Err(Refused::NotResp), "{answer}");
        }
    }

    #[test]
    fn an_answer_that_was_cut_is_told_from_another() {
        for answer in [
            r#"{"result":"AP8iCg=="}"#,
            r#"{"result":null}"#,
            r#"{"error":"OOM"}"#,
        ] {
            for length in 0..answer.len() {
                let cut = &answer[..length];
                let got = upstash().parse_get(200, cut.as_bytes());
                assert_eq!(got, Err(Refused::Truncated), "{cut}");
            }
        }
    }
}
