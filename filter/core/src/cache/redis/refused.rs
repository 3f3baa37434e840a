//! Why what came from Redis is of no use, by names that are counted.

use crate::cache::Corrupt;

/// Why an answer, or the value in it, is refused. To a cache each is a miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// Redis is full: `OOM`.
    OutOfMemory,
    /// A node of a cluster that does not have the key: `MOVED`, `ASK`.
    Moved,
    /// Redis is not ready to serve: `LOADING`, `BUSY`, `MASTERDOWN`, `CLUSTERDOWN`.
    Loading,
    /// Credentials are missing, wrong or do not suffice, for Redis or for the gateway: `NOAUTH`, `WRONGPASS`, `NOPERM`,
    /// HTTP 401 and 403.
    NoAuth,
    /// Redis takes no writes: `READONLY`, `MISCONF`, `NOREPLICAS`.
    ReadOnly,
    /// Any other error that Redis, or the gateway in its name, told.
    RedisError,
    /// Any other HTTP status than 200.
    Status,
    /// Not the form that the gateway's answers have: a page of HTML, another command's answer, bytes behind the end.
    NotResp,
    /// The answer ends before its end.
    Truncated,
    /// Larger than the gateway or the filter takes: HTTP 413, a limit of the hosted Redis, a body that was not copied.
    TooLarge,
    /// Another program's value.
    Magic,
    /// Written by another release.
    Format,
    /// Shorter than its own lengths say, or longer.
    Length,
    /// Changed after it was written.
    Checksum,
    /// Whole, but of another object.
    Key,
    /// Not signed although a key is configured, or not with this key.
    Signature,
    /// A field holds what it cannot hold.
    Field,
}

/// The codes of errors that have a reason of their own.
const CODES: [(&str, Refused); 13] = [
    ("OOM", Refused::OutOfMemory),
    ("MOVED", Refused::Moved),
    ("ASK", Refused::Moved),
    ("LOADING", Refused::Loading),
    ("BUSY", Refused::Loading),
    ("MASTERDOWN", Refused::Loading),
    ("CLUSTERDOWN", Refused::Loading),
    ("NOAUTH", Refused::NoAuth),
    ("WRONGPASS", Refused::NoAuth),
    ("NOPERM", Refused::NoAuth),
    ("READONLY", Refused::ReadOnly),
    ("MISCONF", Refused::ReadOnly),
    ("NOREPLICAS", Refused::ReadOnly),
];

impl Refused {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 17] = [
        Self::OutOfMemory,
        Self::Moved,
        Self::Loading,
        Self::NoAuth,
        Self::ReadOnly,
        Self::RedisError,
        Self::Status,
        Self::NotResp,
        Self::Truncated,
        Self::TooLarge,
        Self::Magic,
        Self::Format,
        Self::Length,
        Self::Checksum,
        Self::Key,
        Self::Signature,
        Self::Field,
    ];

    /// The name by which it is counted.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OutOfMemory => "oom",
            Self::Moved => "moved",
            Self::Loading => "loading",
            Self::NoAuth => "noauth",
            Self::ReadOnly => "readonly",
            Self::RedisError => "redis_error",
            Self::Status => "status",
            Self::NotResp => "not_resp",
            Self::Truncated => "truncated",
            Self::TooLarge => "too_large",
            Self::Magic => "magic",
            Self::Format => "format",
            Self::Length => "length",
            Self::Checksum => "checksum",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Field => "field",
        }
    }

    /// By the text of a Redis error, without the `-` before it. Its first word is the error's code
    /// (<https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors>).
    pub(super) fn of_error(text: &[u8]) -> Self {
        // Upstash's own limit of a request's size.
        if text.starts_with(b"ERR max request size exceeded") {
            return Self::TooLarge;
        }
        let code = text.split(|byte| *byte == b' ').next().unwrap_or_default();
        let known = CODES.iter().find(|(known, _)| known.as_bytes() == code);
        known.map_or(Self::RedisError, |(_, reason)| *reason)
    }

    /// By an HTTP status that is not 200.
    pub(super) const fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::NoAuth,
            413 => Self::TooLarge,
            _ => Self::Status,
        }
    }
}

impl From<Corrupt> for Refused {
    fn from(corrupt: Corrupt) -> Self {
        match corrupt {
            Corrupt::Length => Self::Length,
            Corrupt::Magic => Self::Magic,
            Corrupt::Format => Self::Format,
            Corrupt::Field => Self::Field,
            Corrupt::Checksum => Self::Checksum,
            Corrupt::Key => Self::Key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn every_reason_is_listed_once_and_has_a_name_of_its_own() {
        for (position, reason) in Refused::ALL.iter().enumerate() {
            // A reason that is not listed would move all behind it.
            assert_eq!(*reason as usize, position, "{reason:?}");
            let first = Refused::ALL
                .iter()
                .position(|other| other.name() == reason.name());
            assert_eq!(first, Some(position), "{}", reason.name());
            let snake_case = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            assert!(reason.name().bytes().all(snake_case), "{}", reason.name());
        }
    }

    /// The texts are those of Redis 7, Envoy's `redis_proxy` and Upstash.
    #[test]
    fn an_error_is_told_by_its_code() {
        for (text, name) in [
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                "oom",
            ),
            ("MOVED 3999 127.0.0.1:6381", "moved"),
            ("ASK 3999 127.0.0.1:6381", "moved"),
            ("LOADING Redis is loading the dataset in memory", "loading"),
            (
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
                "loading",
            ),
            (
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
                "loading",
            ),
            ("CLUSTERDOWN The cluster is down", "loading"),
            ("NOAUTH Authentication required.", "noauth"),
            (
                "WRONGPASS invalid username-password pair or user is disabled.",
                "noauth",
            ),
            (
                "NOPERM this user has no permissions to run the 'setex' command",
                "noauth",
            ),
            (
                "READONLY You can't write against a read only replica.",
                "readonly",
            ),
            (
                "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
                "readonly",
            ),
            ("NOREPLICAS Not enough good replicas to write.", "readonly"),
            (
                "WRONGTYPE Operation against a key holding the wrong kind of value",
                "redis_error",
            ),
            (
                "ERR wrong number of arguments for 'setex' command",
                "redis_error",
            ),
            ("ERR invalid expire time in 'setex' command", "redis_error"),
            ("ERR max daily request limit exceeded", "redis_error"),
            (
                "ERR max request size exceeded. Limit: 1048576 bytes, Actual: 1398128 bytes",
                "too_large",
            ),
            (
                "CROSSSLOT Keys in request don't hash to the same slot",
                "redis_error",
            ),
            ("no upstream host", "redis_error"),
            ("upstream failure", "redis_error"),
            ("OOMPH", "redis_error"),
            ("oom", "redis_error"),
            ("OOM", "oom"),
            ("", "redis_error"),
        ] {
            assert_eq!(Refused::of_error(text.as_bytes()).name(), name, "{text}");
        }
    }

    #[test]
    fn a_status_is_told() {
        for (status, name) in [
            (401, "noauth"),
            (403, "noauth"),
            (413, "too_large"),
            (400, "status"),
            (404, "status"),
            (503, "status"),
            (0, "status"),
        ] {
            assert_eq!(Refused::of_status(status).name(), name, "{status}");
        }
    }
}
