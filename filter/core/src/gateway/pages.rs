//! The pages of the gateway itself: which path is which, who may see it, and what it is made of.

use goproxy_pages::{About, PAGES, Page, Setup, address, metrics, status};

use super::Gateway;
use crate::capabilities::Peer;
use crate::config::Admin;
use crate::head::RequestHead;
use crate::reply::{self, DIRECT, FOLLOW, FOLLOW_DIRECT, Media, Reply};
use crate::time::Timestamp;

/// Who sees pages, as a gateway knows it.
pub(super) struct Doorkeeper {
    pub(super) admin: Admin,
    /// Where the request comes from that the host is handing over.
    pub(super) peer: Peer,
}

impl Gateway {
    /// The page at a path, if there is one.
    pub(super) fn page(
        &self,
        path: &[u8],
        head: &RequestHead<'_>,
        request_id: &str,
        now: Timestamp,
    ) -> Option<Reply> {
        // Every request for a module comes by here. No module's path begins with a hyphen (`module.CheckPath`).
        let is_page = matches!(path, [b'/'] | [b'/', b'?', ..] | [b'/', b'-', b'/', ..]);
        is_page.then(|| self.show(Page::of(path), head, request_id, now))
    }

    #[cold]
    #[inline(never)]
    fn show(
        &self,
        page: Page<'_>,
        head: &RequestHead<'_>,
        request_id: &str,
        now: Timestamp,
    ) -> Reply {
        if page.is_guarded() {
            let peer = (self.doorkeeper.peer)().unwrap_or_default();
            if !self.doorkeeper.admin.admits(&peer) {
                return reply::not_admitted(&peer, request_id);
            }
        }
        let setup = self.setup(head);
        let about = About {
            version: env!("CARGO_PKG_VERSION"),
            setup: &setup,
            base_path: self.serve.base_path(),
            now,
        };
        let (media, text) = match page {
            Page::Health => return reply::probe("ok\n"),
            Page::Ready => return reply::probe("ready\n"),
            Page::ReadyWithUpstream => return self.ready_with_upstream(now),
            Page::Unknown => return reply::no_page(PAGES, request_id),
            Page::Home => (
                Media::Html,
                goproxy_pages::page(&self.process_report(now), &about),
            ),
            Page::Status => (Media::Json, status(&self.process_report(now), &about)),
            Page::Metrics => (
                Media::Metrics,
                metrics::render(&self.process_report(now).samples),
            ),
            Page::Env => (Media::Text, setup.lines()),
            Page::Explain(query) => (Media::Text, self.explain(query, now)),
        };
        reply::page(media, text)
    }

    /// Whether any upstream of a route is asked now, as this worker knows it.
    fn ready_with_upstream(&self, now: Timestamp) -> Reply {
        let health = &self.space.borrow().health;
        let mut text =
            String::from("not ready: every upstream is left alone, since requests failed:");
        for upstream in self.sources.of_routes() {
            if !health.is_aside(upstream, now) {
                return reply::probe("ready\n");
            }
            text.push(' ');
            text.push_str(&upstream.name);
        }
        text.push('\n');
        reply::not_ready(text)
    }

    /// How `go` is set up for who asks.
    fn setup(&self, head: &RequestHead<'_>) -> Setup<'_> {
        let field = |wanted: &str| {
            let mut fields = head.fields.iter();
            let found = fields.find(|(name, _)| *name == wanted.as_bytes());
            found.map(|(_, value)| *value).unwrap_or_default()
        };
        // What stands before the host may speak TLS for it, and says so.
        let schemes = [field("x-forwarded-proto"), field(":scheme")];
        Setup {
            address: address(schemes, field(":authority"), self.serve.base_path()),
            databases: self.sources.databases().collect(),
            patterns: self.sources.patterns().collect(),
        }
    }
}

/// What a client was told to come again for.
#[derive(Clone, Copy)]
pub(super) struct Again {
    /// The upstream redirects.
    pub(super) follow: bool,
    /// The disk cache failed.
    pub(super) direct: bool,
}

/// Reads it from the query, which no request of `go` has.
pub(super) fn again(path: &[u8]) -> Again {
    let query = path.splitn(2, |byte| *byte == b'?').nth(1);
    let is = |one: &str| query == Some(one.as_bytes());
    Again {
        follow: is(FOLLOW) || is(FOLLOW_DIRECT),
        direct: is(DIRECT) || is(FOLLOW_DIRECT),
    }
}
