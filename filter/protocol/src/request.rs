//! What a client asked for: one path, parsed once, with the one name that it is cached and fetched under.

use std::borrow::Cow;

use thiserror::Error;

use super::module::{self, ModuleError};
use super::{sumdb, sumdb::Tile, wire};

/// No path of a real module comes near: Go's module cache could not store it as a file.
pub const MAX_PATH_BYTES: usize = 2048;

const CACHED_ONLY: &str = "/cached-only";
const SUMDB: &str = "/sumdb/";

/// A request for an object of a module proxy or a checksum database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    canonical: String,
    cached_only: bool,
    parts: Parts,
}

/// What kind of object is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `@v/list`: the tagged versions.
    List,
    /// `@latest`: the newest version, of a module without tags too.
    Latest,
    /// `@v/<version>.info` of a canonical version that belongs to the module.
    Info,
    /// `@v/<query>.info` of anything else: a branch, a commit, `v1`, a version with a build tag or another major.
    Query,
    /// `@v/<version>.mod`
    Mod,
    /// `@v/<version>.zip`
    Zip,
    /// `/sumdb/<name>/supported`: whether checksum requests go through this proxy.
    SumSupported,
    /// `/sumdb/<name>/lookup/<module>@<version>`: the record and a signed tree.
    SumLookup,
    /// `/sumdb/<name>/tile/8/..`
    SumTile(Tile),
    /// `/sumdb/<name>/latest`: the newest signed tree.
    SumLatest,
}

/// Whether an object can ever change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Fixed for all time once it exists.
    Immutable,
    /// True for a while.
    Mutable,
}

/// Why a path is refused. The text is for the person at the `go` command and holds nothing of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// Longer than [`MAX_PATH_BYTES`].
    #[error("the path is longer than 2048 bytes")]
    TooLong,
    /// A `%` that is not followed by two hex digits.
    #[error("the path holds a % that two hex digits do not follow")]
    Percent,
    /// A byte that cannot stand in a URL's path, or a control or non-ASCII byte in its encoded form.
    #[error("the path holds a byte that no module path or version can have")]
    Byte,
    /// `%2F` or `%5C`.
    #[error("the path holds an encoded slash or backslash")]
    EncodedSlash,
    /// None of the forms that GOPROXY has.
    #[error(
        "not a module proxy path: expected /<module>/@v/list, /<module>/@latest or /<module>/@v/<version>.info, .mod or .zip"
    )]
    Unknown,
    /// The module path or version is none.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// `latest.info`, `upgrade.info`, `patch.info`
    #[error("latest, upgrade and patch are no versions: go finds them in @v/list and @latest")]
    Keyword,
    /// The name of a checksum database is none.
    #[error("not the name of a checksum database: expected a host name such as sum.golang.org")]
    SumdbName,
    /// None of the forms that a checksum database has.
    #[error(
        "not a checksum database path: expected supported, latest, lookup/<module>@<version> or tile/8/<level>/<index>"
    )]
    Sumdb,
    /// A tile of another height, or a spelling that is not the tile's.
    #[error("not a tile path: expected tile/8/<level>/<index> or tile/8/<level>/<index>.p/<width>")]
    Tile,
}

impl PathError {
    /// Whether the path could not even be decoded, which is the client's mistake (400). What decodes but names
    /// nothing is not found (404).
    pub fn is_undecodable(&self) -> bool {
        matches!(self, Self::TooLong | Self::Percent | Self::Byte)
    }

    /// Whether the path is too long to be looked at (414).
    pub fn is_too_long(&self) -> bool {
        matches!(self, Self::TooLong)
    }
}

impl Request {
    /// Parses a path as it stood on the wire, below the gateway's base path; a query string is dropped.
    ///
    /// # Errors
    /// What the `go` command cannot send; see [`PathError`].
    pub fn parse(path: &[u8]) -> Result<Self, PathError> {
        let path = path.split(|byte| *byte == b'?').next().unwrap_or(path);
        if path.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        if !path.starts_with(b"/") {
            return Err(PathError::Unknown);
        }
        let mut canonical = wire::canonical(path)?;
        let below = canonical
            .strip_prefix(CACHED_ONLY)
            .filter(|below| below.starts_with('/'))
            .map(str::to_owned);
        let cached_only = below.is_some();
        if let Some(below) = below {
            canonical = below;
        }
        let parts = match canonical.strip_prefix(SUMDB) {
            Some(below) => Parts::of_sumdb(below)?,
            None => Parts::of_module(canonical.strip_prefix('/').unwrap_or(&canonical))?,
        };
        Ok(Self {
            canonical,
            cached_only,
            parts,
        })
    }

    /// What kind of object is asked for.
    pub fn endpoint(&self) -> Endpoint {
        self.parts.endpoint
    }

    /// Whether the object can ever change.
    pub fn class(&self) -> Class {
        match self.parts.endpoint {
            Endpoint::Info | Endpoint::Mod | Endpoint::Zip | Endpoint::SumLookup => {
                Class::Immutable
            }
            Endpoint::SumTile(tile) if tile.is_full() => Class::Immutable,
            _ => Class::Mutable,
        }
    }

    /// The one path of the object, without `/cached-only`: what it is cached under and fetched from.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The path below an upstream's base: as [`Request::canonical`], and for a checksum database without the
    /// `/sumdb/<name>` that only proxies have.
    pub fn upstream_path(&self) -> &str {
        self.parts
            .sumdb
            .and_then(|name| self.canonical.get(name.end..))
            .unwrap_or(&self.canonical)
    }

    /// The module path as people write it.
    pub fn module(&self) -> Option<Cow<'_, str>> {
        module::unescape(self.text(self.parts.module?)).ok()
    }

    /// The version or query as people write it.
    pub fn version(&self) -> Option<Cow<'_, str>> {
        plain_version(self.text(self.parts.version?)).ok()
    }

    /// The name of the checksum database.
    pub fn sumdb(&self) -> Option<&str> {
        self.parts.sumdb.map(|name| self.text(name))
    }

    /// Whether the path lay below `/cached-only`, so that no upstream may be asked.
    pub fn cached_only(&self) -> bool {
        self.cached_only
    }

    /// Whether this is the archive of a Go toolchain, some 70 MB of executables.
    pub fn is_toolchain(&self) -> bool {
        let is_module = self
            .parts
            .module
            .is_some_and(|module| self.text(module) == module::TOOLCHAIN);
        is_module && self.parts.endpoint == Endpoint::Zip
    }

    fn text(&self, span: Span) -> &str {
        self.canonical.get(span.start..span.end).unwrap_or("")
    }
}

/// Where in the canonical path the parts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts {
    endpoint: Endpoint,
    module: Option<Span>,
    version: Option<Span>,
    sumdb: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    fn new(start: usize, text: &str) -> Self {
        Self {
            start,
            end: start.saturating_add(text.len()),
        }
    }

    /// The text that stands behind this one and a separator.
    fn followed_by(self, separator: &str, text: &str) -> Self {
        Self::new(self.end.saturating_add(separator.len()), text)
    }
}

impl Parts {
    /// Parses what stands behind the first slash of a module's path.
    fn of_module(path: &str) -> Result<Self, PathError> {
        // No module path holds a `@`, so the first one ends it.
        let (escaped, file) = path.split_once('@').ok_or(PathError::Unknown)?;
        let escaped = escaped.strip_suffix('/').ok_or(PathError::Unknown)?;
        let module = module::unescape(escaped)?;
        let path_major = module::path_major(&module)?;
        let span = Span::new("/".len(), escaped);
        let parts = |endpoint, version| Self {
            endpoint,
            module: Some(span),
            version,
            sumdb: None,
        };
        if file == "latest" {
            return Ok(parts(Endpoint::Latest, None));
        }
        let file = file.strip_prefix("v/").ok_or(PathError::Unknown)?;
        if file == "list" {
            return Ok(parts(Endpoint::List, None));
        }
        let (escaped, extension) = file.rsplit_once('.').ok_or(PathError::Unknown)?;
        let version = plain_version(escaped)?;
        let is_version = module::check_version(path_major, &version);
        let endpoint = match extension {
            "info" if is_version.is_ok() => Endpoint::Info,
            "info" if matches!(&*version, "latest" | "upgrade" | "patch") => {
                return Err(PathError::Keyword);
            }
            "info" => module::check_query(&version).map(|()| Endpoint::Query)?,
            "mod" => is_version.map(|()| Endpoint::Mod)?,
            "zip" => is_version.map(|()| Endpoint::Zip)?,
            _ => return Err(PathError::Unknown),
        };
        Ok(parts(endpoint, Some(span.followed_by("/@v/", escaped))))
    }

    /// Parses what stands behind `/sumdb/`.
    fn of_sumdb(path: &str) -> Result<Self, PathError> {
        let (name, object) = sumdb::split(path).ok_or(PathError::Sumdb)?;
        sumdb::check_name(name).map_err(|_| PathError::SumdbName)?;
        let span = Span::new(SUMDB.len(), name);
        let parts = |endpoint| Self {
            endpoint,
            module: None,
            version: None,
            sumdb: Some(span),
        };
        match object {
            "supported" => return Ok(parts(Endpoint::SumSupported)),
            "latest" => return Ok(parts(Endpoint::SumLatest)),
            _ => {}
        }
        if object.starts_with("tile/") {
            return Tile::parse(object)
                .map(|tile| parts(Endpoint::SumTile(tile)))
                .ok_or(PathError::Tile);
        }
        let lookup = object.strip_prefix("lookup/").ok_or(PathError::Sumdb)?;
        let (module, version) = lookup.split_once('@').ok_or(PathError::Sumdb)?;
        module::check(&module::unescape(module)?, &module::unescape(version)?)?;
        let module = span.followed_by("/lookup/", module);
        let version = module.followed_by("@", version);
        Ok(Self {
            module: Some(module),
            version: Some(version),
            ..parts(Endpoint::SumLookup)
        })
    }
}

/// A version or query as people write it, from its form in a canonical path.
fn plain_version(canonical: &str) -> Result<Cow<'_, str>, ModuleError> {
    match wire::decoded(canonical) {
        Cow::Borrowed(escaped) => module::unescape(escaped),
        Cow::Owned(escaped) => {
            module::unescape(&escaped).map(|version| Cow::Owned(version.into_owned()))
        }
    }
}

#[cfg(test)]
#[path = "request_refusal_tests.rs"]
mod refusal_tests;
#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
