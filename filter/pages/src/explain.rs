//! How one request would go: a text for a person who wants to know why a download failed, or where it comes from.

use crate::markup::number;
use crate::when::span;

/// What a gateway knows of a request that it would serve. Nothing is asked of anybody to find it out.
#[derive(Clone, Debug)]
pub struct Explained<'a> {
    /// What kind of object it is, as events name it.
    pub kind: &'static str,
    /// The module, or nothing.
    pub module: &'a str,
    /// The version or query, or nothing.
    pub version: &'a str,
    /// The checksum database, or nothing.
    pub database: &'a str,
    /// Whether the object can never change.
    pub immutable: bool,
    /// Whether only caches are asked.
    pub caches_only: bool,
    /// The one path of the object.
    pub path: &'a str,
    /// What it is routed by.
    pub route: Route<'a>,
    /// The upstreams in the order in which they are asked.
    pub chain: Vec<Stop<'a>>,
    /// What it is cached under.
    pub key: &'a str,
    /// What it is called in Redis, if there is one.
    pub redis_key: Option<String>,
    /// Whether Redis is left alone now.
    pub redis_aside: bool,
    /// Whether a disk cache is asked in the upstream's place.
    pub disk: bool,
    /// What this worker's memory has.
    pub memory: Option<Copy>,
    /// What the workers share, where they do.
    pub shared: Option<Option<Copy>>,
    /// Whether a request for it is under way already.
    pub in_the_air: bool,
    /// For how many seconds it is not asked for, and what is answered instead.
    pub delay: Option<(u64, String)>,
    /// Upstreams of its chain that are passed over for it, why, and for how many seconds.
    pub passed_over: Vec<(String, &'static str, u64)>,
    /// The upstream at which this version was found.
    pub found_at: Option<String>,
}

/// What a request is routed by.
#[derive(Clone, Copy, Debug)]
pub enum Route<'a> {
    /// The route of that number, because of this pattern.
    Modules(usize, &'a str),
    /// The checksum database of that name.
    Database,
    /// Nothing: it is answered 404.
    None,
}

/// One upstream of a chain.
#[derive(Clone, Copy, Debug)]
pub struct Stop<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it is asked after any error of the one before, and not after 404 and 410 only.
    pub on_any_error: bool,
    /// How it is.
    pub health: Health,
}

/// How an upstream is, as this worker knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is asked.
    Well,
    /// It is left alone where there is another, for so many seconds.
    Aside(u64),
}

/// What a cache has of the object.
#[derive(Clone, Debug)]
pub struct Copy {
    /// The status that was stored: 200, 404 or 410.
    pub status: u16,
    /// How long the body is.
    pub bytes: usize,
    /// Who gave it.
    pub upstream: String,
    /// How old it is, in seconds.
    pub age: u64,
    /// What it is good for.
    pub good_for: Use,
}

/// What a copy is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is served, for so many seconds more.
    Fresh(u64),
    /// It is served, and asked for anew.
    Aging,
    /// It is served if the upstreams fail.
    Stale,
    /// It is not served.
    Nothing,
}

/// How far the values are from the left.
const COLUMN: usize = 12;

/// Lines of names and values.
struct Lines(String);

impl Lines {
    fn line(&mut self, name: &str, parts: &[&str]) {
        self.0.push_str(name);
        for _ in name.len()..COLUMN {
            self.0.push(' ');
        }
        for part in parts {
            self.0.push_str(part);
        }
        self.0.push('\n');
    }
}

/// A path that is not served, and why.
pub fn refused(path: &str, why: &str) -> String {
    let mut lines = Lines(String::new());
    let mut shown = String::new();
    crate::markup::path(&mut shown, path);
    lines.line("path", &[&shown]);
    lines.line("refused", &[why]);
    lines.0
}

impl Explained<'_> {
    /// The text.
    #[inline(never)]
    pub fn text(&self) -> String {
        let mut lines = Lines(String::with_capacity(1024));
        lines.line("path", &[self.path]);
        self.object(&mut lines);
        self.way(&mut lines);
        self.caches(&mut lines);
        self.now(&mut lines);
        lines.0
    }

    fn object(&self, lines: &mut Lines) {
        let of = if self.database.is_empty() { "" } else { " of " };
        let module = if self.module.is_empty() { "" } else { " for " };
        let at = if self.version.is_empty() { "" } else { "@" };
        lines.line(
            "is",
            &[
                self.kind,
                of,
                self.database,
                module,
                self.module,
                at,
                self.version,
                if self.immutable {
                    ", which never changes"
                } else {
                    ", which may change"
                },
                if self.caches_only {
                    "; caches only are asked"
                } else {
                    ""
                },
            ],
        );
    }

    fn way(&self, lines: &mut Lines) {
        match self.route {
            Route::Modules(index, pattern) => {
                lines.line(
                    "route",
                    &["routes[", &index.to_string(), "], by its pattern ", pattern],
                );
            }
            Route::Database => lines.line("route", &["sumdb ", self.database]),
            Route::None => lines.line("route", &["none: answered 404"]),
        }
        for (index, stop) in self.chain.iter().enumerate() {
            let mut how = String::new();
            match stop.health {
                Health::Well => how.push_str("well"),
                Health::Aside(seconds) => {
                    how.push_str("left alone for ");
                    span(&mut how, seconds);
                    how.push_str(if self.chain.len() > index.saturating_add(1) {
                        ""
                    } else {
                        ", but asked as the last of its chain"
                    });
                }
            }
            let after = match (index, stop.on_any_error) {
                (0, _) => "",
                (_, true) => ", after any error",
                (_, false) => ", after 404 or 410",
            };
            lines.line(
                if index == 0 { "upstreams" } else { "" },
                &[stop.name, after, ": ", &how],
            );
        }
        for (upstream, why, seconds) in &self.passed_over {
            let mut rest = String::new();
            span(&mut rest, *seconds);
            lines.line(
                "",
                &[
                    upstream,
                    " is passed over for this object for ",
                    &rest,
                    ": ",
                    why,
                ],
            );
        }
        if let Some(upstream) = &self.found_at {
            lines.line("found at", &[upstream]);
        }
    }

    fn caches(&self, lines: &mut Lines) {
        if self.key.is_empty() {
            return;
        }
        lines.line("cache key", &[self.key]);
        lines.line("memory", &[&copy(self.memory.as_ref())]);
        if let Some(shared) = &self.shared {
            lines.line("shared", &[&copy(shared.as_ref())]);
        }
        if let Some(key) = &self.redis_key {
            let aside = if self.redis_aside {
                " (Redis is left alone now)"
            } else {
                ""
            };
            lines.line("Redis key", &[key, aside]);
        }
        if self.disk {
            lines.line("disk", &["asked in the upstream's place"]);
        }
    }

    fn now(&self, lines: &mut Lines) {
        if let Some((seconds, words)) = &self.delay {
            let mut rest = String::new();
            span(&mut rest, *seconds);
            lines.line(
                "delay",
                &["not asked for during ", &rest, "; answered: ", words],
            );
        }
        let best = self.best();
        let served = best.is_some_and(|copy| matches!(copy.good_for, Use::Fresh(_) | Use::Aging));
        lines.line(
            "now",
            &[match best.map(|copy| copy.good_for) {
                _ if matches!(self.route, Route::None) => "answered 404 by the gateway itself",
                _ if self.key.is_empty() => "answered 200 by the gateway itself",
                Some(Use::Fresh(_)) => "answered from the cache",
                Some(Use::Aging) => "answered from the cache, and asked for anew",
                _ if self.in_the_air => "waits for the request that is under way already",
                _ if self.delay.is_some() => "answered as above, nobody is asked",
                _ if self.caches_only && self.redis_key.is_some() => "asked of Redis",
                _ if self.caches_only => "answered 404: not in a cache",
                Some(Use::Stale) => "asked of the upstreams; if they fail, answered from the cache",
                _ if self.redis_key.is_some() && !self.redis_aside => {
                    "asked of Redis, then of the upstreams"
                }
                _ => "asked of the upstreams",
            }],
        );
        if served && best.is_some_and(|copy| copy.status != 200) {
            lines.line("", &["what is in the cache says that it does not exist"]);
        }
    }

    /// The copy that is served, if one is.
    fn best(&self) -> Option<&Copy> {
        let shared = self.shared.as_ref().and_then(Option::as_ref);
        let all = [self.memory.as_ref(), shared];
        let usable = all
            .into_iter()
            .flatten()
            .filter(|one| one.good_for != Use::Nothing);
        usable.min_by_key(|one| match one.good_for {
            Use::Fresh(_) => 0,
            Use::Aging => 1,
            Use::Stale | Use::Nothing => 2,
        })
    }
}

fn copy(copy: Option<&Copy>) -> String {
    let Some(copy) = copy else {
        return "nothing".to_owned();
    };
    let mut text = String::new();
    number(&mut text, copy.status.into());
    text.push_str(" of ");
    number(&mut text, u64::try_from(copy.bytes).unwrap_or(u64::MAX));
    text.push_str(" bytes from ");
    text.push_str(&copy.upstream);
    text.push_str(", ");
    span(&mut text, copy.age);
    text.push_str(" old, ");
    match copy.good_for {
        Use::Fresh(seconds) => {
            text.push_str("fresh for ");
            span(&mut text, seconds);
        }
        Use::Aging => text.push_str("no longer fresh: served while it is asked for anew"),
        Use::Stale => text.push_str("no longer fresh: served if the upstreams fail"),
        Use::Nothing => text.push_str("too old to be served"),
    }
    text
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
