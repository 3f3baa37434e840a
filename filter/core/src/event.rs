//! Download events, in the core's terms. All of it is in the crate `goproxy-event`; here is what turns one into the other.

pub use goproxy_event::*;

use crate::callout::{Answer, AnswerBody, Callout, CalloutId, CalloutOutcome, Method};
use crate::flight::USER_AGENT;
use crate::goproxy::Endpoint;

/// What a record calls the kind of what was asked for.
pub fn kind(endpoint: Endpoint) -> Kind {
    match endpoint {
        Endpoint::List => Kind::List,
        Endpoint::Latest => Kind::Latest,
        Endpoint::Info => Kind::Info,
        Endpoint::Query => Kind::Query,
        Endpoint::Mod => Kind::Mod,
        Endpoint::Zip => Kind::Zip,
        Endpoint::SumSupported => Kind::SumSupported,
        Endpoint::SumLookup => Kind::SumLookup,
        Endpoint::SumTile(_) => Kind::SumTile,
        Endpoint::SumLatest => Kind::SumLatest,
    }
}

/// The callout that sends a batch.
pub fn callout(batch: Batch, id: CalloutId) -> Callout {
    let mut headers = batch.headers;
    headers.push(("user-agent", USER_AGENT.into()));
    Callout {
        id,
        target: batch.target,
        method: Method::Post,
        authority: batch.authority,
        path: batch.path,
        headers,
        body: Some(batch.body),
        timeout: batch.timeout,
        body_limit: MAX_ANSWER,
    }
}

/// What became of a batch, as its callout's outcome says.
pub fn outcome(outcome: &CalloutOutcome) -> Outcome<'_> {
    let CalloutOutcome::Answer(Answer { status, head, body }) = outcome else {
        return Outcome::Failed;
    };
    Outcome::Answer {
        status: *status,
        retry_after: head.retry_after.as_deref(),
        body: match body {
            AnswerBody::Whole(bytes) => Some(bytes),
            AnswerBody::TooLarge => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callout::AnswerHead;
    use crate::goproxy::Request;
    use crate::testing::test;

    #[test]
    fn each_path_is_of_the_kind_that_records_name() {
        for (path, kind) in [
            ("/example.com/m/@v/list", Kind::List),
            ("/example.com/m/@latest", Kind::Latest),
            ("/example.com/m/@v/main.info", Kind::Query),
            ("/example.com/m/@v/v1.0.0.info", Kind::Info),
            ("/example.com/m/@v/v1.0.0.mod", Kind::Mod),
            ("/example.com/m/@v/v1.0.0.zip", Kind::Zip),
            ("/sumdb/sum.example/supported", Kind::SumSupported),
            (
                "/sumdb/sum.example/lookup/example.com/m@v1.0.0",
                Kind::SumLookup,
            ),
            ("/sumdb/sum.example/tile/8/0/001.p/7", Kind::SumTile),
            ("/sumdb/sum.example/latest", Kind::SumLatest),
        ] {
            let request = Request::parse(path.as_bytes()).unwrap();
            assert_eq!(super::kind(request.endpoint()), kind, "{path}");
        }
    }

    #[test]
    fn only_an_answer_is_one() {
        for nothing in [
            CalloutOutcome::Unreachable,
            CalloutOutcome::NotSent,
            CalloutOutcome::Reset,
            CalloutOutcome::Timeout,
            CalloutOutcome::UnknownTarget,
        ] {
            assert_eq!(outcome(&nothing), Outcome::Failed);
        }
        let answer = |body| {
            CalloutOutcome::Answer(Answer {
                status: 429,
                head: AnswerHead {
                    retry_after: Some("5".into()),
                    ..AnswerHead::default()
                },
                body,
            })
        };
        let told = |body| Outcome::Answer {
            status: 429,
            retry_after: Some("5"),
            body,
        };
        assert_eq!(
            outcome(&answer(AnswerBody::Whole(b"x".to_vec()))),
            told(Some(b"x"))
        );
        assert_eq!(outcome(&answer(AnswerBody::TooLarge)), told(None));
    }
}
