//! Which upstreams are asked for a module, and in which order.

use std::rc::Rc;
use std::time::Duration;

use crate::config::{self, Config, FallThrough, Freshness};
use crate::goproxy::pattern::Pattern;

/// An upstream as the host reaches it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Upstream {
    pub(crate) name: Rc<str>,
    pub(crate) target: Rc<str>,
    pub(crate) authority: Rc<str>,
    /// Base path without a trailing slash.
    pub(crate) path: Box<str>,
    pub(crate) timeout: Duration,
    /// So many failures in a row, of different modules, put it aside; 0: never.
    pub(crate) max_fails: u32,
    /// For this long.
    pub(crate) fail_timeout: Duration,
}

impl Upstream {
    fn new(config: &config::Upstream) -> Self {
        Self {
            name: (*config.name).into(),
            target: (*config.target).into(),
            authority: (*config.authority).into(),
            path: (*config.path).into(),
            timeout: config.timeout,
            max_fails: config.max_fails,
            fail_timeout: config.fail_timeout,
        }
    }

    /// The disk cache for archives, as far as its health goes. No upstream is named with a space.
    pub(crate) fn disk(config: &config::Disk) -> Self {
        Self {
            name: "disk cache".into(),
            target: (*config.target).into(),
            authority: "archives.invalid".into(),
            path: Box::default(),
            timeout: Duration::ZERO,
            max_fails: config.max_fails,
            fail_timeout: config.fail_timeout,
        }
    }

    /// An upstream for tests.
    #[cfg(test)]
    pub(crate) fn example(name: &str, max_fails: u32) -> Self {
        Self {
            name: name.into(),
            target: name.into(),
            authority: format!("{name}.example").into(),
            path: "".into(),
            timeout: Duration::from_secs(1),
            max_fails,
            fail_timeout: Duration::from_secs(8),
        }
    }

    /// The sentence for a person at `go` when the host does not have the target.
    pub(crate) fn words_of_unknown_target(&self) -> String {
        format!(
            "the gateway's host has no target {:?}: a mistake in its configuration",
            self.target
        )
    }

    /// The same upstream where it redirects to.
    pub(crate) fn at(&self, target: Rc<str>, authority: Rc<str>) -> Self {
        let (name, path) = (self.name.clone(), Box::default());
        let Self {
            timeout,
            max_fails,
            fail_timeout,
            ..
        } = *self;
        Self {
            name,
            target,
            authority,
            path,
            timeout,
            max_fails,
            fail_timeout,
        }
    }

    /// The path to ask this upstream for an object.
    pub(crate) fn path_of(&self, object: &str) -> String {
        [&self.path, object].concat()
    }
}

/// An upstream's place in a chain.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) upstream: Rc<Upstream>,
    /// After which answers of the one before this one is asked.
    pub(crate) on: FallThrough,
}

/// Upstreams in the order in which they are asked.
pub(crate) type Chain = Rc<[Link]>;

/// Where objects of one kind come from, and how long they are kept.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) chain: Chain,
    pub(crate) freshness: Freshness,
}

impl Source {
    /// The upstream of that name, if it is in the chain.
    pub(crate) fn named(&self, name: &str) -> Option<&Rc<Upstream>> {
        self.chain
            .iter()
            .map(|link| &link.upstream)
            .find(|upstream| *upstream.name == *name)
    }

    /// Whether another is asked after any failure of this one.
    pub(crate) fn falls_through(&self, upstream: &Upstream) -> bool {
        let mut rest = self
            .chain
            .iter()
            .skip_while(|link| link.upstream.name != upstream.name);
        rest.nth(1)
            .is_some_and(|link| link.on == FallThrough::AnyError)
    }

    /// The upstream to ask, where there is no choice.
    pub(crate) fn only(&self) -> Option<&Rc<Upstream>> {
        match &*self.chain {
            [link] => Some(&link.upstream),
            _ => None,
        }
    }
}

/// All routes and checksum databases of a configuration.
pub(crate) struct Sources {
    routes: Vec<(Vec<Pattern>, Source)>,
    databases: Vec<(Box<str>, Source)>,
    /// All that may be asked.
    upstreams: Vec<Rc<Upstream>>,
}

impl Sources {
    pub(crate) fn new(config: &Config) -> Self {
        let mut upstreams: Vec<Rc<Upstream>> = config
            .upstreams
            .iter()
            .map(|one| Rc::new(Upstream::new(one)))
            .collect();
        let link = |link: &config::Link| {
            // A configuration that was compiled has no dangling index.
            let upstream = upstreams.get(link.upstream)?.clone();
            Some(Link {
                upstream,
                on: link.on,
            })
        };
        let route = |route: &config::Route| {
            let chain = route.chain.iter().filter_map(link).collect();
            (
                route.modules.clone(),
                Source {
                    chain,
                    freshness: route.freshness,
                },
            )
        };
        let database = |database: &config::Database| -> (Box<str>, Source) {
            let upstream = Rc::new(Upstream::new(&database.upstream));
            let chain = Rc::new([Link {
                upstream,
                on: FallThrough::NotFound,
            }]);
            (
                (*database.name).into(),
                Source {
                    chain,
                    freshness: config.freshness,
                },
            )
        };
        let routes = config.routes.iter().map(route).collect();
        let databases: Vec<_> = config.sumdb.iter().map(database).collect();
        let of_databases = databases.iter().flat_map(|(_, source)| source.chain.iter());
        upstreams.extend(of_databases.map(|link| link.upstream.clone()));
        Self {
            routes,
            databases,
            upstreams,
        }
    }

    /// All that may be asked.
    pub(crate) fn upstreams(&self) -> &[Rc<Upstream>] {
        &self.upstreams
    }

    /// The first route whose patterns match the module.
    pub(crate) fn of_module(&self, module: &str) -> Option<&Source> {
        let matches = |(patterns, _): &&(Vec<Pattern>, Source)| {
            patterns.iter().any(|one| one.matches(module))
        };
        self.routes.iter().find(matches).map(|(_, source)| source)
    }

    /// The first route whose patterns match the module: its number, the pattern, and where it leads.
    pub(crate) fn route_of(&self, module: &str) -> Option<(usize, &str, &Source)> {
        let mut routes = self.routes.iter().enumerate();
        routes.find_map(|(index, (patterns, source))| {
            let pattern = patterns.iter().find(|one| one.matches(module))?;
            Some((index, pattern.as_str(), source))
        })
    }

    /// The patterns of all routes.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = &str> + Clone {
        let routes = self.routes.iter();
        routes.flat_map(|(patterns, _)| patterns.iter().map(Pattern::as_str))
    }

    /// The names of the checksum databases.
    pub(crate) fn databases(&self) -> impl Iterator<Item = &str> {
        self.databases.iter().map(|(name, _)| &**name)
    }

    /// The upstreams of all routes; one may come more than once.
    pub(crate) fn of_routes(&self) -> impl Iterator<Item = &Rc<Upstream>> {
        let routes = self.routes.iter();
        routes.flat_map(|(_, source)| source.chain.iter().map(|link| &link.upstream))
    }

    /// The checksum database of that name, if it is configured.
    pub(crate) fn of_database(&self, name: &str) -> Option<&Source> {
        self.databases
            .iter()
            .find(|(known, _)| **known == *name)
            .map(|(_, source)| source)
    }
}
