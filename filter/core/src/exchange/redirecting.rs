//! An archive whose upstream redirects: to a target that is listed the gateway goes itself, to any other the client.

use std::rc::Rc;

use super::{Ask, DiskUse, ForwardedHead, Landed, Settings, Via};
use crate::config::Unlisted;
use crate::redirect::{Leads, REDIRECTS, follow};
use crate::reply::{self, DIRECT, FOLLOW, FOLLOW_DIRECT, Reply};
use crate::upstream::Upstream;
use crate::verdict::{Failure, Fault};

/// The archive is behind a redirect, after so many that were `followed` already.
pub(crate) fn located(
    ask: Ask,
    upstream: &Rc<Upstream>,
    location: &Rc<str>,
    followed: u8,
    settings: Settings<'_>,
) -> Landed {
    match follow(location, (&**upstream).into(), settings.redirects) {
        Leads::Known {
            target,
            authority,
            path,
        } => {
            let upstream = Rc::new(upstream.at(target, authority));
            Landed::Forward {
                ask: Box::new(ask),
                upstream,
                path: Some(path),
                via: Via::Redirect(followed.saturating_add(1)),
            }
        }
        Leads::Unlisted(host) => {
            let reply = unlisted(&ask, upstream, &host, location, settings);
            Landed::Reply(Box::new(ask), reply)
        }
        Leads::Nowhere => {
            let reply = nowhere(&ask, upstream);
            Landed::Reply(Box::new(ask), reply)
        }
    }
}

/// A forwarded request was answered with a redirect.
pub(super) fn redirected(
    ask: &Ask,
    upstream: &Rc<Upstream>,
    via: Via,
    answer: &ForwardedHead,
    settings: Settings<'_>,
) -> Reply {
    let Some(location) = &answer.head.location else {
        return nowhere(ask, upstream);
    };
    match follow(location, (&**upstream).into(), settings.redirects) {
        // The host cannot send the request elsewhere any more. The client comes again, and then its way is known.
        Leads::Known { .. } if via.redirects() < REDIRECTS => again(ask, settings),
        Leads::Known { .. } => failure(
            ask,
            upstream,
            format!("the upstream redirects more than {REDIRECTS} times"),
        ),
        Leads::Unlisted(host) => unlisted(ask, upstream, &host, location, settings),
        Leads::Nowhere => nowhere(ask, upstream),
    }
}

/// An upstream of a chain that was asked because it seemed to have the archive says that it has not. The client comes again,
/// and then all are asked.
pub(super) fn not_where_it_seemed(
    ask: &Ask,
    upstream: &Rc<Upstream>,
    via: Via,
    settings: Settings<'_>,
) -> Reply {
    match via {
        Via::Choice => again(ask, settings),
        Via::Probe | Via::Redirect(_) => {
            let words = "the upstream has the archive by HEAD, and has not when it is asked for it";
            let failure = Failure::new(Fault::InvalidBody, &upstream.name, words.to_owned());
            reply::failure(&failure, &ask.request_id)
        }
    }
}

/// The client comes again for the same object.
pub(super) fn again(ask: &Ask, settings: Settings<'_>) -> Reply {
    let query = if ask.disk == DiskUse::Avoided {
        FOLLOW_DIRECT
    } else {
        FOLLOW
    };
    come(ask, query, settings)
}

/// The disk cache failed: the client comes again, and is served without it. The query says so, because another worker may
/// get the request.
pub(crate) fn without_disk(ask: &Ask, settings: Settings<'_>) -> Reply {
    come(ask, DIRECT, settings)
}

fn come(ask: &Ask, query: &str, settings: Settings<'_>) -> Reply {
    let path = [
        settings.serve.base_path(),
        ask.request.canonical(),
        "?",
        query,
    ];
    reply::redirect(path.concat())
}

fn unlisted(
    ask: &Ask,
    upstream: &Upstream,
    host: &str,
    location: &str,
    settings: Settings<'_>,
) -> Reply {
    match settings.redirects.unlisted {
        // A reference without a scheme would be one to the gateway.
        Unlisted::Pass if !location.starts_with('/') => reply::redirect(location.to_owned()),
        Unlisted::Pass | Unlisted::Refuse => failure(
            ask,
            upstream,
            format!("the upstream redirects to {host}, which is not listed"),
        ),
    }
}

fn nowhere(ask: &Ask, upstream: &Upstream) -> Reply {
    failure(
        ask,
        upstream,
        "the upstream redirects to what is no address of an archive".to_owned(),
    )
}

fn failure(ask: &Ask, upstream: &Upstream, words: String) -> Reply {
    let failure = Failure::new(Fault::Status(302), &upstream.name, words);
    reply::failure(&failure, &ask.request_id)
}
