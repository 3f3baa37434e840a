//! From the document to [`Config`]: what no single field can tell is checked here, and defaults are filled in.

use std::time::Duration;

use super::admin::Admin;
use super::authority::Authority;
use super::disk::{Disk, check_disk};
use super::document::{
    CacheDocument, ChainEntry, DatabaseDocument, Document, FreshnessDocument, InvalidationDocument,
    MemoryDocument, Patterns, RedirectsDocument, RouteDocument, UpstreamDocument,
};
use super::error::{Echo, Problems};
use super::events;
use super::read::{At, Text};
use super::redis;
use super::text::{Name, Namespace};
use super::{
    Config, Database, FallThrough, Freshness, Invalidation, Link, Memory, RedirectHost, Redirects,
    Route, Serve, Shared, Unlisted, Upstream,
};
use goproxy_protocol::pattern::Pattern;

/// Patterns of all routes together: each request is matched against them one after the other, and here each
/// against all before it.
const MAX_PATTERNS: usize = 4096;

/// So many names are listed where one of them was expected.
const MAX_LISTED: usize = 8;

/// The largest object in memory, where the configuration does not say.
const MAX_OBJECT: usize = 256 * 1024;

/// What is fresh how long, where the configuration does not say.
const FRESHNESS: Freshness = Freshness {
    immutable: Duration::from_secs(365 * 24 * 60 * 60),
    mutable: Duration::from_secs(60),
    negative: Duration::from_secs(60),
    stale_while_revalidate: Duration::from_secs(300),
    stale_if_error: Duration::from_secs(24 * 60 * 60),
};

/// Checks the document as a whole; `None` once a problem has been noted.
pub(super) fn compile(
    document: Document,
    default_namespace: &str,
    problems: &mut Problems,
) -> Option<Config> {
    check_names(&document, problems);
    check_reachable(&document.routes.0, problems);
    check_disk(&document, problems);
    let namespace = namespace(document.namespace, default_namespace, problems);
    let freshness = freshness(&document.cache.freshness, FRESHNESS);
    let names: Vec<&str> = document
        .upstreams
        .0
        .iter()
        .map(|upstream| upstream.name.0.as_str())
        .collect();
    let routes = routes(document.routes.0, &names, freshness, problems);
    let sumdb = databases(document.sumdb.0, problems);
    let redirects = redirects(document.redirects, problems);
    let CacheDocument {
        memory,
        shared,
        redis,
        disk,
        invalidate,
        ..
    } = document.cache;
    let memory = compile_memory(&memory, problems);
    let events = document
        .events
        .and_then(|own| events::compile(own, problems));
    let redis = redis.and_then(|own| redis::compile(own, problems));
    let config = Config {
        namespace: namespace?.0,
        host: document.host,
        serve: Serve::new(document.serve.hosts.0, document.serve.base_path.0),
        upstreams: document.upstreams.0.into_iter().map(upstream).collect(),
        routes,
        sumdb,
        redirects,
        memory,
        shared: Shared {
            size: shared.size.0,
        },
        redis,
        disk: disk.map(Disk::from),
        freshness,
        events,
        admin: Admin::from(document.admin),
        invalidate: invalidate.0.into_iter().map(invalidation).collect(),
        log_level: document.log_level,
        digest: 0,
    };
    problems.is_empty().then_some(config)
}

fn namespace(
    configured: Option<Namespace>,
    plugin: &str,
    problems: &mut Problems,
) -> Option<Namespace> {
    let namespace = configured.or_else(|| Namespace::of_plugin(plugin));
    if namespace.is_none() {
        let message = format!(
            "required, since the plugin's name cannot serve as one: {}",
            Echo(plugin)
        );
        problems.add(At::Field(&At::Root, "namespace"), message);
    }
    namespace
}

/// A name means one thing, in metrics and texts too: upstreams and databases share their names.
fn check_names(document: &Document, problems: &mut Problems) {
    let upstreams = document
        .upstreams
        .0
        .iter()
        .enumerate()
        .map(|(index, upstream)| ("upstreams", index, &upstream.name));
    let databases = document
        .sumdb
        .0
        .iter()
        .enumerate()
        .map(|(index, database)| ("sumdb", index, &database.name));
    let named: Vec<(&str, usize, &Name)> = upstreams.chain(databases).collect();
    for (position, (list, index, name)) in named.iter().enumerate() {
        let Some((first_list, first, _)) = named
            .iter()
            .take(position)
            .find(|(_, _, earlier)| earlier == name)
        else {
            continue;
        };
        let list_at = At::Field(&At::Root, list);
        let at = At::Index(&list_at, *index);
        let message = format!(
            "expected a name of its own, got {}: {first_list}[{first}] has it",
            Echo(&name.0)
        );
        problems.add(At::Field(&at, "name"), message);
    }
}

/// A pattern that an earlier route covers would look like a rule and be none.
fn check_reachable(routes: &[RouteDocument], problems: &mut Problems) {
    let list = At::Field(&At::Root, "routes");
    let patterns: usize = routes.iter().map(|route| route.modules.0.len()).sum();
    if patterns > MAX_PATTERNS {
        problems.add(
            list,
            format!("expected at most {MAX_PATTERNS} patterns in all, got {patterns}"),
        );
        return;
    }
    for (index, route) in routes.iter().enumerate() {
        let at = At::Index(&list, index);
        let earlier = routes.get(..index).unwrap_or_default();
        if let Some(all) = earlier
            .iter()
            .position(|route| each(&route.modules).any(|pattern| pattern.as_str() == "*"))
        {
            problems.add(
                at,
                format!("never reached, routes[{all}] matches every module"),
            );
            continue;
        }
        let modules = At::Field(&at, "modules");
        for (position, pattern) in route.modules.0.iter().enumerate() {
            if let Some((first, cover)) = covering(earlier, &pattern.0) {
                let message = format!(
                    "never reached, routes[{first}] has {}, which matches it",
                    Echo(cover.as_str())
                );
                problems.add(At::Index(&modules, position), message);
            }
        }
    }
}

/// The first pattern that matches whatever `pattern` does, as far as that is certain: it is the same, or it
/// matches the very path that `pattern` spells out, and so all below it.
fn covering<'a>(routes: &'a [RouteDocument], pattern: &Pattern) -> Option<(usize, &'a Pattern)> {
    let spelled_out = !pattern.as_str().contains(['*', '?', '[', '\\']);
    let covers = |earlier: &&Pattern| {
        *earlier == pattern || (spelled_out && earlier.matches(pattern.as_str()))
    };
    let find = |(index, route): (usize, &'a RouteDocument)| {
        Some((index, each(&route.modules).find(covers)?))
    };
    routes.iter().enumerate().find_map(find)
}

fn each(written: &Patterns) -> impl Iterator<Item = &Pattern> {
    written.0.iter().map(|written| &written.0)
}

fn compiled(written: Patterns) -> Vec<Pattern> {
    written.0.into_iter().map(|written| written.0).collect()
}

fn routes(
    routes: Vec<RouteDocument>,
    names: &[&str],
    base: Freshness,
    problems: &mut Problems,
) -> Vec<Route> {
    let list = At::Field(&At::Root, "routes");
    let compile = |(index, route): (usize, RouteDocument)| Route {
        modules: compiled(route.modules),
        chain: chain(&route.chain.0, names, At::Index(&list, index), problems),
        freshness: route
            .freshness
            .as_ref()
            .map_or(base, |own| freshness(own, base)),
    };
    routes.into_iter().enumerate().map(compile).collect()
}

fn chain(
    entries: &[ChainEntry],
    names: &[&str],
    route: At<'_>,
    problems: &mut Problems,
) -> Vec<Link> {
    let list = At::Field(&route, "chain");
    let mut chain: Vec<Link> = Vec::with_capacity(entries.len());
    for (position, entry) in entries.iter().enumerate() {
        let at = At::Index(&list, position);
        let (name, name_at, on) = match entry {
            ChainEntry::Name(name) => (&name.0, at, None),
            ChainEntry::Rule(rule) => (&rule.to.0, At::Field(&at, "to"), rule.on),
        };
        if position == 0 && on.is_some() {
            let message = "expected no rule on the first upstream of a chain, since none stands before it; remove it";
            problems.add(At::Field(&at, "on"), message.to_owned());
        }
        let Some(upstream) = names.iter().position(|known| known == name) else {
            let message = format!(
                "expected the name of an upstream ({}), got {}",
                listed(names),
                Echo(name)
            );
            problems.add(name_at, message);
            continue;
        };
        if chain.iter().any(|link| link.upstream == upstream) {
            problems.add(
                name_at,
                format!(
                    "expected each upstream once in a chain, got {} again",
                    Echo(name)
                ),
            );
        }
        chain.push(Link {
            upstream,
            on: on.unwrap_or(FallThrough::NotFound),
        });
    }
    chain
}

fn listed(names: &[&str]) -> String {
    let more = if names.len() > MAX_LISTED { ", .." } else { "" };
    let first: Vec<&str> = names.iter().copied().take(MAX_LISTED).collect();
    format!("{}{more}", first.join(", "))
}

fn upstream(document: UpstreamDocument) -> Upstream {
    Upstream {
        name: document.name.0,
        target: document.target.0,
        authority: document.authority.0,
        path: document.path.0,
        timeout: document.timeout.0,
        max_fails: document.max_fails.0,
        fail_timeout: document.fail_timeout.0,
    }
}

fn databases(documents: Vec<DatabaseDocument>, problems: &mut Problems) -> Vec<Database> {
    let list = At::Field(&At::Root, "sumdb");
    let compile = |(index, document): (usize, DatabaseDocument)| {
        database(document, At::Index(&list, index), problems)
    };
    documents
        .into_iter()
        .enumerate()
        .filter_map(compile)
        .collect()
}

fn database(document: DatabaseDocument, at: At<'_>, problems: &mut Problems) -> Option<Database> {
    let name = document.name.0;
    let authority = match document.authority {
        Some(authority) => authority,
        None => match Authority::parse(&name) {
            Ok(authority) => authority,
            Err(_) => {
                let message = format!("required, since the name {} is no host name", Echo(&name));
                problems.add(At::Field(&at, "authority"), message);
                return None;
            }
        },
    };
    let upstream = Upstream {
        name: name.clone(),
        target: document.target.0,
        authority: authority.0,
        path: document.path.0,
        timeout: document.timeout.0,
        max_fails: document.max_fails.0,
        fail_timeout: document.fail_timeout.0,
    };
    Some(Database { name, upstream })
}

fn redirects(document: RedirectsDocument, problems: &mut Problems) -> Redirects {
    let root = At::Field(&At::Root, "redirects");
    let (listed, unlisted, list) = match document {
        RedirectsDocument::Hosts(hosts) => (hosts.0, Unlisted::Pass, root),
        RedirectsDocument::Rules(rules) => {
            (rules.hosts.0, rules.unlisted, At::Field(&root, "hosts"))
        }
    };
    let mut hosts: Vec<RedirectHost> = Vec::with_capacity(listed.len());
    for (index, entry) in listed.into_iter().enumerate() {
        let host = entry.host.0;
        if let Some(first) = hosts.iter().position(|earlier| earlier.host == host) {
            let message = format!(
                "expected each host once, got {}: {list}[{first}] has it",
                Echo(&host)
            );
            problems.add(At::Field(&At::Index(&list, index), "host"), message);
        }
        hosts.push(RedirectHost {
            host,
            target: entry.target.0,
        });
    }
    Redirects { hosts, unlisted }
}

fn compile_memory(document: &MemoryDocument, problems: &mut Problems) -> Memory {
    let size = document.size.0;
    let max_object = document
        .max_object
        .map_or(MAX_OBJECT.min(size), |own| own.0);
    if max_object > size {
        let (cache, expected) = (
            At::Field(&At::Root, "cache"),
            "expected at most cache.memory.size",
        );
        let memory = At::Field(&cache, "memory");
        let message = format!("{expected} ({size} bytes), got {max_object} bytes");
        problems.add(At::Field(&memory, "max_object"), message);
    }
    Memory { size, max_object }
}

fn freshness(own: &FreshnessDocument, base: Freshness) -> Freshness {
    Freshness {
        immutable: own.immutable.map_or(base.immutable, |age| age.0),
        mutable: own.mutable.map_or(base.mutable, |age| age.0),
        negative: own.negative.map_or(base.negative, |age| age.0),
        stale_while_revalidate: own
            .stale_while_revalidate
            .map_or(base.stale_while_revalidate, |age| age.0),
        stale_if_error: own.stale_if_error.map_or(base.stale_if_error, |age| age.0),
    }
}

fn invalidation(document: InvalidationDocument) -> Invalidation {
    Invalidation {
        modules: compiled(document.modules),
        before: document.before.0,
    }
}
