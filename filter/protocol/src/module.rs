//! Module paths and versions: `golang.org/x/mod/module`, the rules that decide what the `go` command can ask for.
//!
//! A path or version stands in a URL in its escaped form, in which `!` and a lower-case letter are an upper-case
//! letter: `github.com/!burnt!sushi/toml` is `github.com/BurntSushi/toml`.

use std::borrow::Cow;

use thiserror::Error;

use super::semver::{INCOMPATIBLE, Version};

/// The module whose archives are Go toolchains.
pub const TOOLCHAIN: &str = "golang.org/toolchain";

/// Why a text is no module path, or no version of that module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ModuleError {
    /// Two slashes in a row, or one at an end.
    #[error("empty element in the module path")]
    EmptyElement,
    /// `.`, `..`, `.git`, `name.`
    #[error("an element of the module path begins or ends with a dot")]
    Dot,
    /// Something that is no ASCII letter, digit, `-`, `.`, `_` or `~`.
    #[error("the module path holds a character that a module path cannot have")]
    Character,
    /// `con`, `aux.go`, `COM1`: no file of that name can be made on Windows.
    #[error("an element of the module path is a reserved file name on Windows")]
    ReservedName,
    /// `name~1`
    #[error("an element of the module path looks like a Windows short name")]
    ShortName,
    /// The first element is no domain name in lower case.
    #[error("the module path does not begin with a host name such as example.com")]
    Host,
    /// `/v1`, `/v02`, `/v2.1`, or a `gopkg.in` path without its `.vN`.
    #[error("the module path ends in a major version that go does not allow")]
    Major,
    /// A raw upper-case letter, or a `!` that stands before no lower-case letter.
    #[error("upper-case letters must be written as ! and the lower-case letter")]
    Escape,
    /// Not in the form `vMAJOR.MINOR.PATCH`, with `+incompatible` as the only build tag.
    #[error("the version is not canonical, expected one such as v1.2.3")]
    NotCanonical,
    /// A `v2` of a path without `/v2`, or the other way round.
    #[error("the major version is not that of the module path")]
    OtherMajor,
    /// A version that cannot be a file's name.
    #[error("the version holds a character that a version cannot have")]
    Version,
}

/// Checks a module path: `module.CheckPath`.
///
/// # Errors
/// Names the first rule that the path breaks.
pub fn check_path(path: &str) -> Result<(), ModuleError> {
    path_major(path).map(|_| ())
}

/// Checks a module path and tells the major version in it: `""`, `/v2`, `.v3` or `.v1-unstable`.
///
/// # Errors
/// As [`check_path`].
pub fn path_major(path: &str) -> Result<&str, ModuleError> {
    let mut elements = path.as_bytes().split(|byte| *byte == b'/');
    let host = elements.next().unwrap_or_default();
    check_bytes(host)?;
    elements.try_for_each(check_bytes)?;
    let is_host_byte = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    if !host.iter().all(is_host_byte) || !host.contains(&b'.') || host.starts_with(b"-") {
        return Err(ModuleError::Host);
    }
    let (_, major) = split_path_version(path).ok_or(ModuleError::Major)?;
    Ok(major)
}

/// Checks one element of a module path.
///
/// # Errors
/// Names the first rule that the element breaks.
pub fn check_element(element: &str) -> Result<(), ModuleError> {
    check_bytes(element.as_bytes())
}

fn check_bytes(element: &[u8]) -> Result<(), ModuleError> {
    let (Some(first), Some(last)) = (element.first(), element.last()) else {
        return Err(ModuleError::EmptyElement);
    };
    if *first == b'.' || *last == b'.' {
        return Err(ModuleError::Dot);
    }
    let is_allowed = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'~');
    if !element.iter().all(is_allowed) {
        return Err(ModuleError::Character);
    }
    let stem = stem(element);
    if is_reserved_on_windows(stem) {
        return Err(ModuleError::ReservedName);
    }
    let digits = stem
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let is_short_name = digits > 0 && stem.iter().rev().nth(digits) == Some(&b'~');
    if is_short_name {
        Err(ModuleError::ShortName)
    } else {
        Ok(())
    }
}

/// Cuts the major version off a module path: `module.SplitPathVersion`.
///
/// `None` where the last element looks like a version and is not one that `go` allows.
pub fn split_path_version(path: &str) -> Option<(&str, &str)> {
    if path.starts_with("gopkg.in/") {
        return split_gopkg_in(path);
    }
    let stem = path.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let Some(prefix) = stem.strip_suffix("/v").filter(|_| stem.len() < path.len()) else {
        return Some((path, ""));
    };
    let number = path.strip_prefix(stem)?;
    let allowed = !number.contains('.') && !number.starts_with('0') && number != "1";
    allowed.then_some((prefix, path.strip_prefix(prefix)?))
}

/// `gopkg.in` wants `.vN` on every path, `.v0` and `.v1` included.
fn split_gopkg_in(path: &str) -> Option<(&str, &str)> {
    let versioned = path.strip_suffix("-unstable").unwrap_or(path);
    let stem = versioned.trim_end_matches(|c: char| c.is_ascii_digit());
    let prefix = stem.strip_suffix(".v")?;
    let number = versioned.strip_prefix(stem)?;
    let has_leading_zero = number.starts_with('0') && path.strip_prefix(prefix)? != ".v0";
    (!number.is_empty() && !has_leading_zero).then_some((prefix, path.strip_prefix(prefix)?))
}

/// Whether a version belongs to a path with that major: `module.CheckPathMajor`.
pub fn matches_major(version: &Version<'_>, path_major: &str) -> bool {
    let path_major = if path_major.starts_with(".v") {
        path_major.strip_suffix("-unstable").unwrap_or(path_major)
    } else {
        path_major
    };
    // An old go made v0.0.0- pseudo-versions for gopkg.in's .v1, and go.mod files still hold them.
    if path_major == ".v1"
        && version.numbers() == ["0", "0", "0"]
        && !version.prerelease().is_empty()
    {
        return true;
    }
    match path_major.get(2..) {
        Some(major) => version.major() == major,
        None => matches!(version.major(), "0" | "1") || version.build() == INCOMPATIBLE,
    }
}

/// Checks that `path` is a module path and `version` a canonical version of it.
///
/// # Errors
/// Names the first rule that is broken.
pub fn check(path: &str, version: &str) -> Result<(), ModuleError> {
    check_version(path_major(path)?, version)
}

/// Checks that `version` is canonical and of that major.
///
/// # Errors
/// [`ModuleError::NotCanonical`] or [`ModuleError::OtherMajor`].
pub fn check_version(path_major: &str, version: &str) -> Result<(), ModuleError> {
    let version = Version::parse(version)
        .filter(Version::is_canonical)
        .ok_or(ModuleError::NotCanonical)?;
    if matches_major(&version, path_major) {
        Ok(())
    } else {
        Err(ModuleError::OtherMajor)
    }
}

/// Checks what may stand where a version stands, a branch or a commit too: the rule of `module.EscapeVersion`.
///
/// # Errors
/// [`ModuleError::Version`], also for a name that Windows reserves.
pub fn check_query(query: &str) -> Result<(), ModuleError> {
    let is_allowed = |byte: u8| {
        matches!(byte,
            b'a'..=b'z' | b'0'..=b'9' | b'A'..=b'Z' | b'#' | b'$' | b'%' | b'&' | b'(' | b')' | b'+' | b',' | b'-' | b'.'
            | b'=' | b'@' | b'[' | b']' | b'^' | b'_' | b'{' | b'}' | b'~' | b' ')
    };
    let is_file_name = !query.is_empty() && !query.ends_with('.') && query.bytes().all(is_allowed);
    let is_reserved = is_reserved_on_windows(stem(query.as_bytes()));
    if is_file_name && !is_reserved {
        Ok(())
    } else {
        Err(ModuleError::Version)
    }
}

/// The module path that an escaped path stands for: `module.UnescapePath`.
///
/// # Errors
/// [`ModuleError::Escape`], or as [`check_path`].
pub fn unescape_path(escaped: &str) -> Result<Cow<'_, str>, ModuleError> {
    let path = unescape(escaped)?;
    check_path(&path)?;
    Ok(path)
}

/// The version or query that an escaped one stands for: `module.UnescapeVersion`.
///
/// # Errors
/// [`ModuleError::Escape`], or as [`check_query`].
pub fn unescape_version(escaped: &str) -> Result<Cow<'_, str>, ModuleError> {
    let version = unescape(escaped)?;
    check_query(&version)?;
    Ok(version)
}

/// The escaped form of a module path: `module.EscapePath`.
///
/// # Errors
/// As [`check_path`].
pub fn escape_path(path: &str) -> Result<Cow<'_, str>, ModuleError> {
    check_path(path)?;
    Ok(escape(path))
}

/// The escaped form of a version or query: `module.EscapeVersion`.
///
/// # Errors
/// As [`check_query`].
pub fn escape_version(version: &str) -> Result<Cow<'_, str>, ModuleError> {
    check_query(version)?;
    Ok(escape(version))
}

fn escape(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len().saturating_add(8));
    for c in text.chars() {
        if c.is_ascii_uppercase() {
            escaped.push('!');
        }
        escaped.push(c.to_ascii_lowercase());
    }
    Cow::Owned(escaped)
}

/// Undoes the `!` escapes and checks nothing else; borrows where there are none.
pub(super) fn unescape(escaped: &str) -> Result<Cow<'_, str>, ModuleError> {
    match escaped
        .bytes()
        .find(|byte| matches!(byte, b'!' | b'A'..=b'Z'))
    {
        None => return Ok(Cow::Borrowed(escaped)),
        Some(b'!') => {}
        Some(_) => return Err(ModuleError::Escape),
    }
    let mut text = String::with_capacity(escaped.len());
    let mut chars = escaped.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '!' => chars
                .next()
                .filter(char::is_ascii_lowercase)
                .ok_or(ModuleError::Escape)?
                .to_ascii_uppercase(),
            'A'..='Z' => return Err(ModuleError::Escape),
            c => c,
        });
    }
    Ok(Cow::Owned(text))
}

/// What Windows takes for a file's name: all before the first dot.
fn stem(element: &[u8]) -> &[u8] {
    element
        .split(|byte| *byte == b'.')
        .next()
        .unwrap_or_default()
}

fn is_reserved_on_windows(stem: &[u8]) -> bool {
    let is_one_of = |names: [&[u8]; 4], name: &[u8]| {
        names
            .iter()
            .any(|reserved| name.eq_ignore_ascii_case(reserved))
    };
    match stem {
        [_, _, _] => is_one_of([b"con", b"prn", b"aux", b"nul"], stem),
        [device @ .., b'1'..=b'9'] if device.len() == 3 => {
            is_one_of([b"com", b"lpt", b"", b""], device)
        }
        _ => false,
    }
}

#[cfg(test)]
#[path = "module_tests.rs"]
mod tests;
