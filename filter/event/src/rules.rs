//! Which failures are recorded: a table of what was asked for and what became of it.
//!
//! `go get a/b/c/d` asks for every prefix of a path at once, and most of what it is told is that nothing is there: that is
//! how it looks for modules, and no failure.

use super::record::{Code, Kind};
use crate::error::ErrorType;

/// What becomes of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It is only counted.
    Counted,
    /// It is recorded, unless the same version is found at a longer or shorter path within 2 s.
    Held,
    /// It is recorded.
    Recorded,
}

/// What counts beside the failure itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// The client wanted nothing that had to be fetched (`/cached-only`, `Disable-Module-Fetch`).
    pub from_caches_only: bool,
    /// Clients that leave early are failed downloads.
    pub client_gone_counts: bool,
}

/// What becomes of a failure that a client has seen, once retries and fallbacks are exhausted.
pub const fn treatment(
    kind: Kind,
    code: Code,
    error: ErrorType,
    circumstances: Circumstances,
) -> Treatment {
    match (code, error) {
        // No `go` command sends such a request.
        (_, ErrorType::BadRequest) => Treatment::Counted,
        (Code::ClientGone, _) if !circumstances.client_gone_counts => Treatment::Counted,
        (Code::Status(404 | 410), _) if circumstances.from_caches_only => Treatment::Counted,
        (Code::Status(404 | 410), _) => absence(kind),
        _ => Treatment::Recorded,
    }
}

/// Nothing is there: where `go` only looks around, that is an answer.
const fn absence(kind: Kind) -> Treatment {
    match kind {
        Kind::List
        | Kind::Latest
        | Kind::Query
        // 404 is how `go` is told to ask the database itself.
        | Kind::SumSupported
        // A partial tile may be gone once the full one is there, which `go` asks for then.
        | Kind::SumTile
        | Kind::SumLatest => Treatment::Counted,
        Kind::Info => Treatment::Held,
        Kind::Mod | Kind::Zip | Kind::SumLookup => Treatment::Recorded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    const KINDS: [(Kind, Treatment); 10] = [
        (Kind::List, Treatment::Counted),
        (Kind::Latest, Treatment::Counted),
        (Kind::Query, Treatment::Counted),
        (Kind::Info, Treatment::Held),
        (Kind::Mod, Treatment::Recorded),
        (Kind::Zip, Treatment::Recorded),
        (Kind::SumLookup, Treatment::Recorded),
        (Kind::SumSupported, Treatment::Counted),
        (Kind::SumTile, Treatment::Counted),
        (Kind::SumLatest, Treatment::Counted),
    ];

    #[test]
    fn that_nothing_is_there_is_a_failure_only_where_go_knows_that_it_should_be() {
        for (kind, expected) in KINDS {
            for (status, error) in [(404, ErrorType::NotFound), (410, ErrorType::Gone)] {
                let got = treatment(kind, Code::Status(status), error, Circumstances::default());
                assert_eq!(got, expected, "{status} {kind:?}");
            }
        }
    }

    #[test]
    fn anything_else_is_recorded_on_every_endpoint() {
        for (kind, _) in KINDS {
            for (code, error) in [
                (Code::Status(403), ErrorType::PolicyDenied),
                (Code::Policy, ErrorType::PolicyDenied),
                (Code::Status(429), ErrorType::Upstream4xx),
                (Code::Status(500), ErrorType::Upstream5xx),
                (Code::Status(503), ErrorType::Overload),
                (Code::Timeout, ErrorType::Timeout),
                (Code::Connection, ErrorType::Connection),
                (Code::Truncated, ErrorType::Truncated),
                (Code::InvalidBody, ErrorType::InvalidBody),
            ] {
                let got = treatment(kind, code, error, Circumstances::default());
                assert_eq!(got, Treatment::Recorded, "{code:?} {kind:?}");
            }
        }
    }

    #[test]
    fn what_was_to_come_from_caches_and_is_not_there_is_no_failure() {
        let circumstances = Circumstances {
            from_caches_only: true,
            ..Circumstances::default()
        };
        let of = |code, error| treatment(Kind::Zip, code, error, circumstances);
        assert_eq!(
            of(Code::Status(404), ErrorType::NotFound),
            Treatment::Counted
        );
        assert_eq!(
            of(Code::Policy, ErrorType::PolicyDenied),
            Treatment::Recorded
        );
    }

    #[test]
    fn a_client_that_left_counts_where_it_is_configured() {
        for (client_gone_counts, expected) in
            [(false, Treatment::Counted), (true, Treatment::Recorded)]
        {
            let circumstances = Circumstances {
                client_gone_counts,
                ..Circumstances::default()
            };
            let got = treatment(
                Kind::Zip,
                Code::ClientGone,
                ErrorType::Connection,
                circumstances,
            );
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn what_no_go_command_sends_is_no_failed_download() {
        for (kind, _) in KINDS {
            let got = treatment(
                kind,
                Code::Status(400),
                ErrorType::BadRequest,
                Circumstances::default(),
            );
            assert_eq!(got, Treatment::Counted, "{kind:?}");
        }
    }
}
