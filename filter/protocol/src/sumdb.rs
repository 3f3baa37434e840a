//! Paths of a checksum database: its name, and the tiles of its log (`golang.org/x/mod/sumdb/tlog`).

use std::fmt;

use super::module::{self, ModuleError};

/// Hashes, or records, in a full tile: the `go` command reads tiles of height 8 only.
pub const FULL_WIDTH: u16 = 1 << TILE_HEIGHT;

const TILE_HEIGHT: u32 = 8;

/// The tile height as it stands in a path.
const TILE_PREFIX: &str = "tile/8/";

/// A log has fewer than 2^63 records, so its hashes stand on 63 levels, eight of them in a tile.
const MAX_LEVEL: u8 = 7;

/// The elements that end a database's name in a path.
const OBJECTS: [&str; 4] = ["supported", "latest", "lookup", "tile"];

/// One tile of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// What the tile is made of.
    pub level: Level,
    /// Its number within the level.
    pub index: u64,
    /// How many hashes or records it has, 1 to 256.
    pub width: u16,
}

/// What a tile is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Hashes of that level of tiles, 0 to 7.
    Hash(u8),
    /// The records themselves.
    Data,
}

impl Tile {
    /// Parses `tile/8/<level>/<index>[.p/<width>]`: `tlog.ParseTilePath` for tiles of height 8.
    ///
    /// Strict: only what [`Tile`]'s `Display` writes is read.
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix(TILE_PREFIX)?.split_once('/')?;
        let level = match level {
            "data" => Level::Data,
            level => Level::Hash(
                number(level, 1)?
                    .try_into()
                    .ok()
                    .filter(|level| *level <= MAX_LEVEL)?,
            ),
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, number(width, 3)?.try_into().ok()?),
            None => (rest, FULL_WIDTH),
        };
        let is_partial = rest.len() > index.len();
        if is_partial && !(1..FULL_WIDTH).contains(&width) {
            return None;
        }
        Some(Self {
            level,
            index: parse_index(index)?,
            width,
        })
    }

    /// Whether the tile is full, so that it never changes.
    pub fn is_full(&self) -> bool {
        self.width == FULL_WIDTH
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TILE_PREFIX)?;
        match self.level {
            Level::Hash(level) => write!(f, "{level}/")?,
            Level::Data => f.write_str("data/")?,
        }
        write_index(f, self.index, "")?;
        if self.is_full() {
            Ok(())
        } else {
            write!(f, ".p/{}", self.width)
        }
    }
}

/// `x001/x234/067` is 1234067; no group is more than needed.
fn parse_index(text: &str) -> Option<u64> {
    // The first record of the tile has a number that fits into Go's int64.
    const MAX_INDEX: u64 = i64::MAX.unsigned_abs() >> TILE_HEIGHT;
    let mut groups = text.split('/').peekable();
    let mut index: u64 = 0;
    while let Some(group) = groups.next() {
        let is_last = groups.peek().is_none();
        let digits = if is_last {
            group
        } else {
            group.strip_prefix('x')?
        };
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        if index == 0 && !is_last {
            return None;
        }
    }
    (index <= MAX_INDEX).then_some(index)
}

fn write_index(f: &mut fmt::Formatter<'_>, index: u64, prefix: &str) -> fmt::Result {
    let (higher, group) = (index / 1000, index % 1000);
    if higher > 0 {
        write_index(f, higher, "x")?;
        f.write_str("/")?;
    }
    write!(f, "{prefix}{group:03}")
}

/// Decimal digits without a sign or leading zeros.
fn number(text: &str, max_digits: usize) -> Option<u32> {
    let is_plain = text.len() <= max_digits && text.bytes().all(|b| b.is_ascii_digit());
    let has_leading_zero = text.len() > 1 && text.starts_with('0');
    (is_plain && !has_leading_zero).then(|| text.parse().ok())?
}

/// Checks the name of a database: a host in lower case, or a host and a path, with the characters of a module path.
///
/// The `go` command allows more (a port, any Unicode letter); those names are refused because they have several
/// spellings in a URL. An element `lookup`, `tile`, `latest` or `supported` is refused because it ends the name.
///
/// # Errors
/// Names the rule that is broken.
pub fn check_name(name: &str) -> Result<(), ModuleError> {
    name.split('/').try_for_each(module::check_element)?;
    let host = name.split('/').next().unwrap_or("");
    let is_host = host
        .bytes()
        .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
    if !is_host
        || host.starts_with('-')
        || name.split('/').any(|element| OBJECTS.contains(&element))
    {
        return Err(ModuleError::Host);
    }
    Ok(())
}

/// Cuts what follows `/sumdb/` into the database's name and the object: `supported`, `latest`, `lookup/..`, `tile/..`.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    let mut object = path;
    loop {
        let (_, rest) = object.split_once('/')?;
        let element = rest.split('/').next().unwrap_or("");
        if OBJECTS.contains(&element) {
            return Some((path.strip_suffix(rest)?.strip_suffix('/')?, rest));
        }
        object = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn a_tile_has_one_path() {
        for (path, level, index, width) in [
            ("tile/8/0/000", Level::Hash(0), 0, 256),
            ("tile/8/0/999", Level::Hash(0), 999, 256),
            ("tile/8/7/000.p/1", Level::Hash(7), 0, 1),
            ("tile/8/1/x001/234.p/17", Level::Hash(1), 1234, 17),
            ("tile/8/1/x001/x234/067", Level::Hash(1), 1_234_067, 256),
            ("tile/8/0/x001/000.p/255", Level::Hash(0), 1000, 255),
            ("tile/8/data/000", Level::Data, 0, 256),
            ("tile/8/data/x123/x456/078.p/2", Level::Data, 123_456_078, 2),
            (
                "tile/8/0/x036/x028/x797/x018/x963/967",
                Level::Hash(0),
                i64::MAX.unsigned_abs() >> 8,
                256,
            ),
        ] {
            let tile = Tile::parse(path).expect(path);
            assert_eq!(
                tile,
                Tile {
                    level,
                    index,
                    width
                },
                "{path}"
            );
            assert_eq!(tile.to_string(), path);
            assert_eq!(tile.is_full(), !path.contains(".p/"), "{path}");
        }
    }

    #[test]
    fn no_other_spelling_is_a_tile() {
        for path in [
            "",
            "tile",
            "tile/8",
            "tile/8/0",
            "tile/8/0/",
            "/tile/8/0/000",
            "tile/99/zz",
            "tile/4/0/001",
            "tile/08/0/001",
            "tile/8/0/0",
            "tile/8/0/00",
            "tile/8/0/0000",
            "tile/8/0/+01",
            "tile/8/0/x001",
            "tile/8/0/x000/001",
            "tile/8/0/123/456/078",
            "tile/8/0/x123/456/078",
            "tile/8/0/X123/078",
            "tile/8/0/x123/x78",
            "tile/8/0/000/",
            "tile/8/0//000",
            "tile/8/00/000",
            "tile/8/-1/000",
            "tile/8/+1/000",
            "tile/8/8/000",
            "tile/8/64/000",
            "tile/8/dataX/000",
            "tile/8/Data/000",
            "tile/8/0/000.p",
            "tile/8/0/000.p/",
            "tile/8/0/000.p/0",
            "tile/8/0/000.p/01",
            "tile/8/0/000.p/256",
            "tile/8/0/000.p/-1",
            "tile/8/0/000.p/1000",
            "tile/8/0/000.p/1/2",
            "tile/8/0/000.p/1.p/2",
            "tile/8/0/.p/1",
            "tile/8/0/x036/x028/x797/x018/x963/968",
            "tile/8/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(Tile::parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_database_is_named_by_a_host_or_a_host_and_a_path() {
        for (name, expected) in [
            ("sum.golang.org", true),
            ("localhost.localdev/sumdb", true),
            ("sumdb", true),
            ("sum.example/v1/Team_a", true),
            ("", false),
            ("SUM.golang.org", false),
            ("sum.golang.org:443", false),
            ("sum.golang.org/", false),
            ("sum.golang.org//a", false),
            ("sum.golang.org/../a", false),
            (".golang.org", false),
            ("-x.example", false),
            ("a+b", false),
            ("a b", false),
            ("a@b.example", false),
            ("sum.example/lookup", false),
            ("tile", false),
        ] {
            assert_eq!(check_name(name).is_ok(), expected, "{name}");
        }
    }

    #[test]
    fn the_name_ends_at_the_first_element_that_is_an_object() {
        for (path, expected) in [
            (
                "sum.golang.org/supported",
                Some(("sum.golang.org", "supported")),
            ),
            ("a.b/c/latest", Some(("a.b/c", "latest"))),
            (
                "a.b/lookup/x.y/z@v1.0.0",
                Some(("a.b", "lookup/x.y/z@v1.0.0")),
            ),
            ("a.b/tile/8/0/000", Some(("a.b", "tile/8/0/000"))),
            ("a.b/lookup/x.y/latest", Some(("a.b", "lookup/x.y/latest"))),
            ("a.b", None),
            ("a.b/", None),
            ("latest", None),
            ("", None),
        ] {
            assert_eq!(split(path), expected, "{path}");
        }
    }
}
