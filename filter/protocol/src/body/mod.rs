//! What an answer must hold before it is stored or passed on.
//!
//! A login page with status 200, a truncated list or another module's checksum must never reach a cache. Bodies
//! are passed on byte for byte, but for the list, which is sanitised (see [`list`]).

mod list;
mod sumdb;

use std::borrow::Cow;

use goproxy_json::Reader;
use thiserror::Error;

use super::module::{self, ModuleError};
use super::request::{Endpoint, Request};
use super::semver;

pub use list::list;
pub use sumdb::{lookup, tile, tree_note};

/// Why a body is not what was asked for. The text is fit for a log and for the person at the `go` command; of the
/// body it holds a version at most.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// Not a JSON object, or one that says two different things.
    #[error("expected a JSON object with one Version, got something else")]
    NotInfo,
    /// The canonical version that was asked for, and what was named instead.
    #[error("expected the .info of version {asked}, got that of {named}")]
    OtherVersion {
        /// What was asked for.
        asked: String,
        /// What the answer names, or `something else`.
        named: String,
    },
    /// A query must be answered with a canonical version of the module.
    #[error("expected a canonical version of the module: {0}")]
    BadVersion(ModuleError),
    /// No `module` line, as in a page of HTML.
    #[error("expected a go.mod file, got a text without a module line")]
    NotMod,
    /// Not a zip archive.
    #[error("expected a zip archive, got something that does not begin like one")]
    NotZip,
    /// No line begins like a version.
    #[error("expected a list of versions, got a text in which no line begins with one")]
    NotList,
    /// Not the record of a checksum database.
    #[error("expected a checksum record: {0}")]
    NotRecord(&'static str),
    /// Not a signed tree.
    #[error("expected a signed checksum tree: {0}")]
    NotTree(&'static str),
    /// A hash tile of the wrong length.
    #[error("expected a tile of {expected} bytes, got {got}")]
    TileBytes {
        /// 32 bytes a hash.
        expected: usize,
        /// What came.
        got: usize,
    },
    /// A data tile with the wrong number of records.
    #[error("expected a tile of {expected} records, got {got}")]
    TileRecords {
        /// The tile's width.
        expected: usize,
        /// What came.
        got: usize,
    },
}

/// Checks an answer's body by what was asked for; gives back what may be stored and passed on.
///
/// # Errors
/// What is wrong with it.
pub fn validate(request: &Request, body: Vec<u8>) -> Result<Vec<u8>, BodyError> {
    let module = request.module().unwrap_or_default();
    let version = request.version().unwrap_or_default();
    let database = request.sumdb().unwrap_or_default();
    match request.endpoint() {
        Endpoint::List => return list(&module, &body),
        Endpoint::Latest | Endpoint::Query => query(&module, &body)?,
        Endpoint::Info => info(&version, &body)?,
        Endpoint::Mod => mod_file(&body)?,
        Endpoint::Zip => zip(&body)?,
        Endpoint::SumSupported => {}
        Endpoint::SumLookup => lookup(database, &module, &version, &body)?,
        Endpoint::SumTile(coordinates) => tile(coordinates, &body)?,
        Endpoint::SumLatest => tree_note(database, &body)?,
    }
    Ok(body)
}

/// Checks the `.info` of a canonical version: a JSON object whose `Version` is the one that was asked for.
///
/// # Errors
/// [`BodyError::NotInfo`] or [`BodyError::OtherVersion`].
pub fn info(version: &str, body: &[u8]) -> Result<(), BodyError> {
    let named = named_version(body)?;
    if named == version {
        return Ok(());
    }
    let named = if semver::is_valid(&named) && named.len() <= 128 {
        named
    } else {
        "something else".to_owned()
    };
    Err(BodyError::OtherVersion {
        asked: version.to_owned(),
        named,
    })
}

/// Checks the answer to a query, or to `@latest`: a JSON object with a canonical `Version` of the module.
///
/// # Errors
/// [`BodyError::NotInfo`] or [`BodyError::BadVersion`].
pub fn query(module: &str, body: &[u8]) -> Result<(), BodyError> {
    module::check(module, &named_version(body)?).map_err(BodyError::BadVersion)
}

/// Checks a go.mod file: it has a `module` line.
///
/// Which module that names is for `go` to judge, since a fork may keep the name of what it was forked from.
///
/// # Errors
/// [`BodyError::NotMod`].
pub fn mod_file(body: &[u8]) -> Result<(), BodyError> {
    let is_markup = body.trim_ascii_start().starts_with(b"<");
    if is_markup || module_line(body).is_none() {
        Err(BodyError::NotMod)
    } else {
        Ok(())
    }
}

/// Checks that an archive begins like one, an empty one included.
///
/// # Errors
/// [`BodyError::NotZip`].
pub fn zip(body: &[u8]) -> Result<(), BodyError> {
    let is_zip = body.starts_with(b"PK\x03\x04") || body.starts_with(b"PK\x05\x06");
    if is_zip {
        Ok(())
    } else {
        Err(BodyError::NotZip)
    }
}

/// The module path of a go.mod file, as `modfile.ModulePath` finds it without parsing the rest.
fn module_line(body: &[u8]) -> Option<Cow<'_, [u8]>> {
    body.split(|byte| *byte == b'\n')
        .find_map(|line| {
            let end = line
                .windows(2)
                .position(|pair| pair == b"//")
                .unwrap_or(line.len());
            let line = line.get(..end)?.trim_ascii().strip_prefix(b"module")?;
            let path = line.trim_ascii();
            (path.len() < line.len() && !path.is_empty()).then_some(path)
        })
        .and_then(unquote)
}

/// A Go string literal where there is one; anything else as it is.
fn unquote(path: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (quote, rest) = path.split_first()?;
    let inner = match quote {
        b'"' | b'`' => rest.strip_suffix(&[*quote])?,
        _ => return Some(Cow::Borrowed(path)),
    };
    // A backslash escapes in double quotes; no module path has one, so that need not be undone.
    let has_escape = inner.contains(quote) || *quote == b'"' && inner.contains(&b'\\');
    (!has_escape && !inner.is_empty()).then_some(Cow::Borrowed(inner))
}

/// What the `go` command reads as `Version`.
///
/// It takes any case of the name (`encoding/json` folds the long s too) and the last of several, so several must agree. Nothing
/// else is looked at; what is skipped is skipped without recursion, however deep it is.
fn named_version(body: &[u8]) -> Result<String, BodyError> {
    let (mut reader, mut version) = (Reader::new(body), None);
    reader
        .fields(&mut |reader, key| {
            if !key.replace('\u{17f}', "s").eq_ignore_ascii_case("Version") {
                return reader.skip();
            }
            let next = reader.text()?;
            let is_same = version.as_ref().is_none_or(|version| *version == next);
            version = Some(next);
            is_same.then_some(())
        })
        .and_then(|()| reader.end())
        .and(version)
        .map(Cow::into_owned)
        .ok_or(BodyError::NotInfo)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
