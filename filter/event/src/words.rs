//! What others wrote, without the secrets that can be told by their looks: users and queries of URLs, what follows a key
//! such as `token=`, what follows the name of an authentication scheme, and credentials that begin as their makers have it.

use super::plain::{cut, plain};

/// Of longer words only so much is looked at.
const MAX_INPUT: usize = 4096;

/// What stands for something that is not told.
const HIDDEN: &str = "...";

/// What stands before the `=` or `:` of a secret, or ends the name that does.
const KEYS: [&str; 11] = [
    "token",
    "password",
    "passwd",
    "secret",
    "authorization",
    "apikey",
    "api_key",
    "api-key",
    "access_key",
    "credential",
    "signature",
];

/// The schemes of `Authorization`: what follows is a credential.
const SCHEMES: [&str; 3] = ["bearer", "basic", "negotiate"];

/// How credentials of well-known makers begin: GitHub's, GitLab's, JSON Web Tokens.
const PREFIXES: [&str; 7] = [
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "eyJ",
];

/// The same of words that somebody else wrote, without the user and the query of a URL, and without what looks like a
/// credential.
pub(super) fn words(text: &str, max: usize) -> String {
    let mut told = String::new();
    let mut hide = Hide::Nothing;
    let shown = plain(whole_words(text), MAX_INPUT);
    let mut rest = shown.as_str();
    loop {
        let (word, behind) = split(rest, position(rest, b" "));
        hide = tell(word, hide, &mut told);
        if behind.is_empty() || told.len() > max {
            break;
        }
        told.push(' ');
        rest = split(behind, Some(1)).1;
    }
    cut(told, max)
}

/// A URL without user, query and fragment.
pub(super) fn url(text: &str, max: usize) -> String {
    let mut shown = plain(text, MAX_INPUT);
    // No URL holds these; in words they end one.
    shown.retain(|character| !matches!(character, '"' | '<' | '>'));
    let (address, _) = split(&shown, position(&shown, b" ?#"));
    let mut told = String::with_capacity(address.len());
    tell_address(address, &mut told);
    cut(told, max)
}

/// The beginning of a long text, without a last word that may be half a URL: its end says whether it holds a password.
fn whole_words(text: &str) -> &str {
    // Whoever gave the text may have cut it at the same length, or a character short of it.
    if text.len() <= MAX_INPUT.saturating_sub(4) {
        return text;
    }
    let mut end = text.len().min(MAX_INPUT);
    loop {
        let (start, behind) = split(text, Some(end));
        let at_space = behind.starts_with(char::is_whitespace) && !start.is_empty();
        if at_space || end == 0 {
            return start;
        }
        end = end.saturating_sub(1);
    }
}

// What follows takes texts apart by bytes, with few and small functions: the patterns of `str` are compiled for each use.

/// Two parts of a text; all of it and nothing where there is no such place.
#[inline(never)]
fn split(text: &str, at: Option<usize>) -> (&str, &str) {
    at.and_then(|at| text.split_at_checked(at))
        .unwrap_or((text, ""))
}

/// Where the first of some ASCII characters stands.
#[inline(never)]
fn position(text: &str, any: &[u8]) -> Option<usize> {
    text.bytes().position(|byte| any.contains(&byte))
}

/// Where the last of a character stands.
#[inline(never)]
fn last(text: &str, character: u8) -> Option<usize> {
    text.as_bytes().iter().rposition(|byte| *byte == character)
}

/// Where an ASCII text begins the first time, whatever its case.
#[inline(never)]
fn find(text: &str, wanted: &str) -> Option<usize> {
    let mut windows = text.as_bytes().windows(wanted.len().max(1));
    windows.position(|window| window.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// Where an ASCII text begins the first time that no letter or digit stands before it.
fn find_start(text: &str, wanted: &str) -> Option<usize> {
    let mut before = b' ';
    let mut windows = text.as_bytes().windows(wanted.len().max(1));
    windows.position(|window| {
        let is_start = !before.is_ascii_alphanumeric() && window == wanted.as_bytes();
        before = window.first().copied().unwrap_or_default();
        is_start
    })
}

/// No credential that is known by its beginning is shorter.
const SHORTEST: usize = 12;

/// What of the following words is not told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hide {
    Nothing,
    /// The next word, whatever it is; behind the name of a scheme, the one after that.
    Next,
    /// The next word, if it looks like a credential.
    NextCredential,
}

/// Appends a word, or what may be told of it.
fn tell(word: &str, hide: Hide, told: &mut String) -> Hide {
    if is_scheme(word) {
        told.push_str(word);
        // Behind `authorization:` it is certain what follows; "basic authentication" may be anybody's words.
        return if hide == Hide::Next {
            hide
        } else {
            Hide::NextCredential
        };
    }
    if hide == Hide::Next || (hide == Hide::NextCredential && is_credential(word)) {
        told.push_str(HIDDEN);
        return Hide::Nothing;
    }
    // What ends no name, opens no address and is short is a word of a language.
    if word.len() < SHORTEST && position(word, b"=:@?").is_none() {
        told.push_str(word);
        return Hide::Nothing;
    }
    // First the address, whose query and user may be as they like, then what is left.
    let mut address = String::with_capacity(word.len());
    tell_address(word, &mut address);
    let (name, value) = split(&address, secret_at(&address));
    told.push_str(name);
    if name.len() == address.len() {
        // `"token": "abc"`: the credential is still to come.
        return if ends_in_key(name) {
            Hide::Next
        } else {
            Hide::Nothing
        };
    }
    told.push_str(HIDDEN);
    // `authorization:bearer abc`
    if is_scheme(value) {
        Hide::Next
    } else {
        Hide::Nothing
    }
}

/// A word without what is no letter and no digit around it.
fn bare(word: &str) -> &[u8] {
    let mut bytes = word.as_bytes();
    while let [first, rest @ ..] = bytes
        && !first.is_ascii_alphanumeric()
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && !last.is_ascii_alphanumeric()
    {
        bytes = rest;
    }
    bytes
}

fn is_scheme(word: &str) -> bool {
    let bare = bare(word);
    SCHEMES
        .iter()
        .any(|scheme| bare.eq_ignore_ascii_case(scheme.as_bytes()))
}

/// Whether a word that follows the name of a scheme is what the scheme sends: not a word of a language.
fn is_credential(word: &str) -> bool {
    let bare = bare(word);
    bare.len() >= 6 && bare.iter().any(|byte| !byte.is_ascii_lowercase())
}

/// Where in a word a credential begins, of which there is a part at least.
fn secret_at(word: &str) -> Option<usize> {
    let known = PREFIXES
        .iter()
        .filter_map(|prefix| find_start(word, prefix))
        .min();
    let keyed = behind_key(word).filter(|at| *at < word.len());
    match (keyed, known) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Whether the credential that a word announces is none of it.
fn ends_in_key(word: &str) -> bool {
    behind_key(word) == Some(word.len())
}

/// Where the value of the first key in a word begins: behind `=` or `:` and quotes.
fn behind_key(word: &str) -> Option<usize> {
    // Most words announce nothing.
    position(word, b"=:")?;
    let mut first = None;
    for key in KEYS {
        let mut from = 0_usize;
        while let (_, rest) = split(word, Some(from))
            && let Some(found) = find(rest, key)
        {
            from = from.saturating_add(found).saturating_add(key.len());
            let (_, rest) = split(word, Some(from));
            // `tokens=`, `token"`: what ends the name may stand between.
            let name_end = count(rest, b"\"'sS");
            let value = split(rest, Some(name_end)).1;
            if value.starts_with(['=', ':']) {
                let quotes = count(split(value, Some(1)).1, b"\"'");
                let at = from
                    .saturating_add(name_end)
                    .saturating_add(1)
                    .saturating_add(quotes);
                first = Some(first.map_or(at, |first: usize| first.min(at)));
                break;
            }
        }
    }
    first
}

/// How many of some characters a text begins with.
fn count(text: &str, any: &[u8]) -> usize {
    text.bytes().take_while(|byte| any.contains(byte)).count()
}

/// Appends a word that may be an address, or hold some, without users and queries.
fn tell_address(word: &str, told: &mut String) {
    const SEPARATOR: &str = "://";
    let mut rest = word;
    // `url="https://..`, `https://proxy/https://..`: each address of the word by itself.
    while let Some(at) = find(rest, SEPARATOR) {
        let (before, behind) = split(rest, at.checked_add(SEPARATOR.len()));
        told.push_str(before);
        let (address, _) = split(behind, position(behind, b"\"<>"));
        let (address, _) = split(address, find(address, SEPARATOR));
        tell_location(address, told);
        rest = split(behind, Some(address.len())).1;
    }
    tell_path(rest, b"?", told);
}

/// Appends what stands behind `://`.
fn tell_location(location: &str, told: &mut String) {
    let (authority, path) = split(location, position(location, b"/?#"));
    if let Some(at) = last(authority, b'@') {
        told.push_str(HIDDEN);
        told.push_str(split(authority, Some(at)).1);
        return tell_path(path, b"?#", told);
    }
    if is_host(authority) {
        told.push_str(authority);
        return tell_path(path, b"?#", told);
    }
    // A `/` or a `?` within a password ends the authority too early: what follows the last `@` is the host then.
    told.push_str(HIDDEN);
    if let Some(at) = last(path, b'@') {
        let (_, host) = split(path, Some(at));
        told.push_str(split(host, position(host, b"?#")).0);
    }
}

/// Appends a path, or a word that is no address; what follows one of `ends` is only said to be there.
fn tell_path(path: &str, ends: &[u8], told: &mut String) {
    let (mut shown, query) = split(path, position(path, ends));
    // `user:password@host` without a scheme. The `@` of a module (`/@v/`, `m@v1.0.0`) has no colon before it.
    let (before, host) = split(shown, last(shown, b'@'));
    let (parents, user) = match last(before, b'/') {
        Some(at) => split(before, at.checked_add(1)),
        None => ("", before),
    };
    if !host.is_empty() && user.contains(':') {
        told.push_str(parents);
        told.push_str(HIDDEN);
        shown = host;
    }
    told.push_str(shown);
    if query.len() > 1 {
        told.push('?');
        told.push_str(HIDDEN);
    } else {
        told.push_str(query);
    }
}

/// Whether an authority is a host, perhaps with a port.
fn is_host(authority: &str) -> bool {
    let port = match last(authority, b']') {
        Some(at) if authority.starts_with('[') => split(authority, at.checked_add(1)).1,
        _ => split(authority, position(authority, b":")).1,
    };
    let number = split(port, Some(1)).1;
    // What ends a sentence may stand behind it.
    let behind = split(number, Some(count(number, b"0123456789"))).1;
    count(behind, b":,;.)") == behind.len()
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
