//! The callout by which a flight asks an upstream: what is sent, and how large an answer may be.

use std::rc::Rc;

use super::{Goal, Want};
use crate::cache::ContentType;
use crate::callout::{Callout, CalloutId, Method};
use crate::goproxy::{Endpoint, Level, Tile};
use crate::redirect::Place;
use crate::upstream::Upstream;

/// What this gateway calls itself towards upstreams.
pub(crate) const USER_AGENT: &str = concat!("goproxy-wasm/", env!("CARGO_PKG_VERSION"));

/// How the upstream of a place is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Redis is asked, and no upstream yet.
    Redis,
    /// For the object itself; by HEAD, if it is to be located.
    Direct,
    /// For the `.info` of an archive that is to be located, since HEAD is refused.
    Info,
    /// Where the upstream redirected to, so many times.
    Redirected {
        target: Rc<str>,
        authority: Rc<str>,
        path: String,
        times: u8,
    },
}

impl Stage {
    /// Who is asked.
    pub(super) fn place<'a>(&'a self, upstream: &'a Upstream) -> Place<'a> {
        match self {
            Self::Redis | Self::Direct | Self::Info => upstream.into(),
            Self::Redirected {
                target, authority, ..
            } => Place { target, authority },
        }
    }

    pub(super) const fn redirects(&self) -> u8 {
        match self {
            Self::Redis | Self::Direct | Self::Info => 0,
            Self::Redirected { times, .. } => *times,
        }
    }
}

pub(super) fn callout(want: &Want, upstream: &Upstream, stage: &Stage, id: CalloutId) -> Callout {
    let mut headers: Vec<(&'static str, Rc<str>)> = Vec::with_capacity(3);
    headers.push(("user-agent", USER_AGENT.into()));
    if &*want.request_id != "-" {
        headers.push(("x-request-id", want.request_id.clone()));
    }
    headers.extend(
        want.traceparent
            .iter()
            .map(|value| ("traceparent", value.clone())),
    );
    let object = want.request.upstream_path();
    let (target, authority, path) = match stage {
        Stage::Redis | Stage::Direct => (
            &upstream.target,
            &upstream.authority,
            upstream.path_of(object),
        ),
        Stage::Info => {
            let version = object.strip_suffix(".zip").unwrap_or(object);
            (
                &upstream.target,
                &upstream.authority,
                upstream.path_of(&[version, ".info"].concat()),
            )
        }
        Stage::Redirected {
            target,
            authority,
            path,
            ..
        } => (target, authority, path.clone()),
    };
    let is_head = want.goal == Goal::Locate && matches!(stage, Stage::Direct);
    Callout {
        id,
        target: target.clone(),
        method: if is_head { Method::Head } else { Method::Get },
        authority: authority.clone(),
        path,
        headers,
        body: None,
        timeout: upstream.timeout,
        body_limit: body_limit(want.request.endpoint()),
    }
}

/// The largest body that a callout may bring: generous for what real modules have, small enough for the VM.
const fn body_limit(endpoint: Endpoint) -> usize {
    const KIB: usize = 1024;
    match endpoint {
        Endpoint::Info | Endpoint::Query | Endpoint::Latest => 64 * KIB,
        Endpoint::List => 8 * KIB * KIB,
        Endpoint::SumLookup | Endpoint::SumLatest | Endpoint::SumSupported => 64 * KIB,
        Endpoint::SumTile(Tile {
            level: Level::Hash(_),
            ..
        }) => 8 * KIB,
        Endpoint::Mod | Endpoint::SumTile(_) => KIB * KIB,
        // Of an archive, only HEAD and `.info` are asked by callout.
        Endpoint::Zip => 64 * KIB,
    }
}

/// What an object's body is, whatever its upstream calls it.
pub(crate) const fn content_type(endpoint: Endpoint) -> ContentType {
    match endpoint {
        Endpoint::Info | Endpoint::Query | Endpoint::Latest => ContentType::Json,
        Endpoint::List
        | Endpoint::Mod
        | Endpoint::SumSupported
        | Endpoint::SumLookup
        | Endpoint::SumLatest => ContentType::Text,
        Endpoint::SumTile(Tile {
            level: Level::Data, ..
        }) => ContentType::Text,
        Endpoint::SumTile(_) => ContentType::Binary,
        Endpoint::Zip => ContentType::Zip,
    }
}
