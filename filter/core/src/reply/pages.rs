//! Answers that are pages of the gateway's own. Nobody keeps them, and no browser takes them for anything else than they are.

use super::{Body, Fields, Reply, TEXT};
use crate::metrics::ResultLabel;
use crate::text::{ErrorType, error_text};
use crate::told::Told;

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Html,
    Json,
    Text,
    /// Prometheus' text format.
    Metrics,
}

impl Media {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
            Self::Text => TEXT,
            Self::Metrics => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// A page.
pub(crate) fn page(media: Media, text: String) -> Reply {
    let mut reply = answer(200, text, Told::Served(ResultLabel::Hit));
    if let Some((_, value)) = reply.fields.first_mut() {
        *value = media.content_type().into();
    }
    // What is no document would be shown as one by a browser that guesses, so it has the strictest policy too.
    let policy = match media {
        Media::Html => goproxy_pages::POLICY,
        _ => "default-src 'none'; frame-ancestors 'none'",
    };
    reply
        .fields
        .push(("content-security-policy", policy.into()));
    reply
}

/// A probe's page: all is well.
pub(crate) fn probe(words: &'static str) -> Reply {
    answer(200, words.to_owned(), Told::Served(ResultLabel::Hit))
}

/// A probe's page: no request should come here.
pub(crate) fn not_ready(text: String) -> Reply {
    let told = Told::own(503, ErrorType::Connection, "");
    answer(503, text, told)
}

/// No page has that name.
pub(crate) fn no_page(words: &str, request_id: &str) -> Reply {
    let text = error_text(words, ErrorType::NotFound, None, request_id);
    answer(404, text, Told::own(404, ErrorType::NotFound, ""))
}

/// Whoever is outside the networks of `admin`.
pub(crate) fn not_admitted(address: &str, request_id: &str) -> Reply {
    let words = match address {
        "" => "the host does not say where this request comes from, so its pages are not shown"
            .to_owned(),
        _ => [
            "the pages of this gateway are not shown to ",
            address,
            ", which no network of admin.cidrs holds",
        ]
        .concat(),
    };
    let text = error_text(&words, ErrorType::PolicyDenied, None, request_id);
    answer(403, text, Told::own(403, ErrorType::PolicyDenied, ""))
}

fn answer(status: u16, text: String, told: Told) -> Reply {
    let fields: Fields = vec![
        ("content-type", TEXT.into()),
        ("cache-control", "no-store".into()),
        ("x-content-type-options", "nosniff".into()),
        ("referrer-policy", "no-referrer".into()),
    ];
    Reply {
        status,
        fields,
        body: Body::Text(text),
        told,
    }
}
