//! The types that mirror the JSON: field by field, with the documentation that the JSON Schema carries.

use super::admin::Cidr;
use super::authority::{Authority, HostRule, ListedHost};
use super::error::Problems;
use super::events::EventsDocument;
use super::json::Node;
use super::read::{At, List, Read, mismatch, object};
use super::redis::RedisDocument;
use super::span::{
    FailTimeout, ImmutableAge, MaxFails, MemorySize, Moment, MutableAge, ObjectSize, SharedSize,
    Timeout,
};
use super::text::{BasePath, ModulePattern, Name, Namespace, Target, UpstreamName};
use super::{FallThrough, HostKind, LogLevel, Unlisted};

/// Patterns of one route or one invalidation. They are tried one after the other, for each request.
pub(super) type Patterns = List<ModulePattern, 1, 1024>;

// What is counted here is bounded because each upstream and each database is a label in the metrics, and because
// hosts, routes and patterns are looked through for each request.

object! {
    /// The configuration of goproxy-wasm, a Go module proxy inside a host such as Envoy.
    struct Document {
        /// The first part of every cache key. Configurations with the same namespace share what is cached.
        /// Default: the plugin's name in the host.
        namespace: Option<Namespace>,
        /// The host the filter runs in. Default: it is probed.
        host: Option<HostKind>,
        /// Which requests are the gateway's; every other passes untouched.
        serve: ServeDocument = {},
        /// Where modules come from.
        upstreams: List<UpstreamDocument, 1, 64>,
        /// Which modules go which way: the first route with a matching pattern wins. A module that no route
        /// matches is answered 404.
        routes: List<RouteDocument, 1, 256>,
        /// The checksum databases that are proxied below `/sumdb/<name>/`. Default: none, so that `go` asks
        /// them itself.
        sumdb: List<DatabaseDocument, 0, 16> = [],
        /// Where upstreams may redirect to. An array is the same as an object with these `hosts`.
        redirects: RedirectsDocument = {},
        /// What is kept, and for how long.
        cache: CacheDocument = {},
        /// What is recorded of downloads, and where the records go. Default: nothing is.
        events: Option<EventsDocument>,
        /// Who may see the pages of the gateway, but for the probes.
        admin: AdminDocument = {},
        /// The least severe level that is logged.
        log_level: LogLevel = "info",
    }
    later: ["policy", "limits"]
}

object! {
    /// Which requests are the gateway's.
    struct ServeDocument {
        /// Host names, each exact (`go.corp.example`, any port; `go.corp.example:8080`, this port only), a
        /// suffix (`*.corp.example`), or `*` for all. Letter case does not count.
        hosts: List<HostRule, 1, 256> = ["*"],
        /// The path below which GOPROXY begins.
        base_path: BasePath = "/",
    }
    later: []
}

object! {
    /// Who may see the pages of the gateway: `/`, and all below `/-/` but for the probes.
    struct AdminDocument {
        /// The networks that may. A client's address is that of its connection, or what the host takes for it behind a
        /// load balancer. Default: this machine, and the address ranges of private networks.
        cidrs: List<Cidr, 0, 256> = [
            "127.0.0.0/8", "::1/128",
            "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"
        ],
    }
    later: ["identities"]
}

object! {
    /// One place that modules come from: a proxy that speaks the GOPROXY protocol.
    struct UpstreamDocument {
        /// Its name in chains, metrics and error texts.
        name: Name,
        /// What the host calls it: on Envoy a cluster's name.
        target: Target,
        /// The host name (and port) it is asked for.
        authority: Authority,
        /// The path below which its GOPROXY begins.
        path: BasePath = "/",
        /// Until the end of a metadata answer. Archives are bounded by the host.
        timeout: Timeout = "120s",
        /// So many failures in a row, of different modules, put it aside; 0 never does. A failure is: refused,
        /// reset, timeout, 502, 503, 504.
        max_fails: MaxFails = 3,
        /// How long it is put aside: a little over its slowest answers.
        fail_timeout: FailTimeout = "8s",
    }
    later: ["forward_credentials", "trusted"]
}

object! {
    /// Which modules go which way.
    struct RouteDocument {
        /// GOPRIVATE patterns: each is matched against a prefix of the module path, element by element.
        modules: Patterns,
        /// The upstreams that are asked, in order.
        chain: List<ChainEntry, 1, 16>,
        /// How long answers of this route stay fresh; what is absent is as `cache.freshness` says.
        freshness: Option<FreshnessDocument>,
    }
    later: ["private"]
}

/// One upstream in a chain: its name, or its name with the rule for coming to it.
#[derive(Debug)]
pub(super) enum ChainEntry {
    /// Asked after 404 and 410 of the one before.
    Name(UpstreamName),
    /// Asked as the rule says.
    Rule(ChainRule),
}

object! {
    /// One upstream in a chain, with the rule for coming to it.
    struct ChainRule {
        /// The upstream's name.
        to: UpstreamName,
        /// Which outcome of the upstream before leads here: `not_found` (404 and 410, the default) or
        /// `any_error`. The first upstream of a chain has none.
        on: Option<FallThrough>,
    }
    later: []
}

impl Read for ChainEntry {
    const EXPECTED: &'static str =
        r#"the name of an upstream, or an object such as {"on": "any_error", "to": "mirror"}"#;

    fn read(node: &Node, at: At<'_>, problems: &mut Problems) -> Option<Self> {
        match node {
            Node::Text(_) => UpstreamName::read(node, at, problems).map(Self::Name),
            Node::Object(_) => ChainRule::read(node, at, problems).map(Self::Rule),
            _ => {
                mismatch(Self::EXPECTED, node, at, problems);
                None
            }
        }
    }
}

object! {
    /// A checksum database.
    struct DatabaseDocument {
        /// Its name in `GOSUMDB`.
        name: Name,
        /// What the host calls it: on Envoy a cluster's name.
        target: Target,
        /// The host name (and port) it is asked for. Default: its name.
        authority: Option<Authority>,
        /// The path below which `lookup`, `tile` and `latest` are.
        path: BasePath = "/",
        /// Until the end of an answer.
        timeout: Timeout = "60s",
        /// So many failures in a row, of different modules, put it aside; 0 never does.
        max_fails: MaxFails = 3,
        /// How long it is put aside.
        fail_timeout: FailTimeout = "8s",
    }
    later: ["forward_credentials", "trusted"]
}

/// Where upstreams may redirect to: the hosts, or the hosts with the rule for all others.
#[derive(Debug)]
pub(super) enum RedirectsDocument {
    /// Every other is passed on.
    Hosts(RedirectHosts),
    /// Every other is treated as the rule says.
    Rules(RedirectRules),
}

/// They are looked through for each redirect.
pub(super) type RedirectHosts = List<RedirectHostDocument, 0, 256>;

object! {
    /// Where upstreams may redirect to.
    struct RedirectRules {
        /// The hosts that are followed. Default: none.
        hosts: RedirectHosts = [],
        /// What becomes of an archive's redirect to any other host: `pass` hands it to the client, `refuse` answers
        /// 502 (for closed networks, where the client could not follow it).
        unlisted: Unlisted = "pass",
    }
    later: []
}

impl Read for RedirectsDocument {
    const EXPECTED: &'static str = r#"an object such as {"hosts": [{"host": "storage.googleapis.com", "target": "gcs"}]}, or the array in it"#;

    fn read(node: &Node, at: At<'_>, problems: &mut Problems) -> Option<Self> {
        match node {
            Node::List(_) => RedirectHosts::read(node, at, problems).map(Self::Hosts),
            Node::Object(_) => RedirectRules::read(node, at, problems).map(Self::Rules),
            _ => {
                mismatch(Self::EXPECTED, node, at, problems);
                None
            }
        }
    }
}

object! {
    /// A host that upstreams redirect to, and how it is reached.
    struct RedirectHostDocument {
        /// The host of the `Location`. Without a port: with none, with 80 or with 443; with a port: with exactly this
        /// one. Letter case does not count.
        host: ListedHost,
        /// What the host calls it: on Envoy a cluster's name.
        target: Target,
    }
    later: []
}

object! {
    /// What is kept, and for how long.
    struct CacheDocument {
        /// The cache in the filter's own memory, one for each worker of the host.
        memory: MemoryDocument = {},
        /// The cache that all workers of the host's process share.
        shared: SharedDocument = {},
        /// A Redis that all workers and replicas share. Default: none.
        redis: Option<RedisDocument>,
        /// The cache for archives on the host's disk: on Envoy a stock nginx behind it. Default: none.
        disk: Option<DiskDocument>,
        /// How long an answer is served without asking again.
        freshness: FreshnessDocument = {},
        /// Entries that are too old to be served.
        invalidate: List<InvalidationDocument, 0, 256> = [],
    }
    later: []
}

object! {
    /// The cache in the filter's own memory, one for each worker of the host.
    struct MemoryDocument {
        /// All entries together; `0B` turns it off.
        size: MemorySize = "32MiB",
        /// The largest object that is stored. Default: 256KiB, or `size` where that is less.
        max_object: Option<ObjectSize>,
    }
    later: []
}

object! {
    /// The cache that all workers of the host's process share, and by which only one of them fetches what several are
    /// asked for. It is in the host's memory, beside those of the workers.
    struct SharedDocument {
        /// All entries together, half of it for those of up to 4 KiB, half for those of up to 64 KiB; larger ones do not
        /// enter. `0B` turns it off. The size that was put to work last holds for the whole process.
        size: SharedSize = "32MiB",
    }
    later: []
}

object! {
    /// The cache for archives on the host's disk: archives are asked of it, and it asks the upstreams.
    struct DiskDocument {
        /// What the host calls it: on Envoy a cluster's name, and no upstream's.
        target: Target,
        /// So many failures of its own in a row, for different modules, put it aside; 0 never does. Archives come from the
        /// upstreams then.
        max_fails: MaxFails = 1,
        /// How long it is put aside, and how long it is not asked for an archive that broke off.
        fail_timeout: FailTimeout = "8s",
    }
    later: []
}

object! {
    /// How long an answer is served without asking again.
    struct FreshnessDocument {
        /// `.info`, `.mod` and `.zip` of a version, checksums, full tiles. Default: 365d.
        immutable: Option<ImmutableAge>,
        /// Lists, `@latest`, branches, partial tiles; `0s` is never stored. Default: 60s.
        mutable: Option<MutableAge>,
        /// 404 and 410; `0s` is never stored, and none is ever served stale. Default: 60s.
        negative: Option<MutableAge>,
        /// How long after that what moves on is served at once, while one request in the background asks anew; `0s`:
        /// never. Default: 300s.
        stale_while_revalidate: Option<MutableAge>,
        /// How long after that what moves on is served if its upstreams fail; `0s`: never. What never changes is, for as
        /// long as it is held. Default: 24h.
        stale_if_error: Option<MutableAge>,
    }
    later: []
}

object! {
    /// Entries of some modules that were stored before a moment are not served.
    struct InvalidationDocument {
        /// GOPRIVATE patterns.
        modules: Patterns,
        /// An entry that was stored earlier is not served.
        before: Moment,
    }
    later: []
}
