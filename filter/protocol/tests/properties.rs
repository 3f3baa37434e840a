//! What must hold for every path and every body, not only for those in the tables.
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that panics fails, which is what it is for"
)]

use goproxy_protocol::pattern::Pattern;
use goproxy_protocol::{Class, Endpoint, Level, Request, Tile, body, module, semver, sumdb};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// What a path stands for, made without the parser.
#[derive(Clone, Debug, PartialEq)]
enum Object {
    List(String),
    Latest(String),
    /// Module, version and extension.
    File(String, String, &'static str),
    Supported(String),
    SumLatest(String),
    Lookup(String, String, String),
    Tile(String, Tile),
}

impl Object {
    /// The one path, written from the rules: `!` for upper case, `%` for what may not stand in a URL's path.
    fn path(&self) -> String {
        match self {
            Self::List(module) => format!("/{}/@v/list", escape(module)),
            Self::Latest(module) => format!("/{}/@latest", escape(module)),
            Self::File(module, version, extension) => {
                format!("/{}/@v/{}.{extension}", escape(module), escape(version))
            }
            Self::Supported(name) => format!("/sumdb/{name}/supported"),
            Self::SumLatest(name) => format!("/sumdb/{name}/latest"),
            Self::Lookup(name, module, version) => {
                format!(
                    "/sumdb/{name}/lookup/{}@{}",
                    escape(module),
                    escape(version)
                )
            }
            Self::Tile(name, tile) => format!("/sumdb/{name}/{tile}"),
        }
    }

    /// What the parser says that the path stands for.
    fn of(request: &Request) -> Self {
        let module = request
            .module()
            .map(|text| text.into_owned())
            .unwrap_or_default();
        let version = request
            .version()
            .map(|text| text.into_owned())
            .unwrap_or_default();
        let name = request.sumdb().unwrap_or_default().to_owned();
        match request.endpoint() {
            Endpoint::List => Self::List(module),
            Endpoint::Latest => Self::Latest(module),
            Endpoint::Info | Endpoint::Query => Self::File(module, version, "info"),
            Endpoint::Mod => Self::File(module, version, "mod"),
            Endpoint::Zip => Self::File(module, version, "zip"),
            Endpoint::SumSupported => Self::Supported(name),
            Endpoint::SumLatest => Self::SumLatest(name),
            Endpoint::SumLookup => Self::Lookup(name, module, version),
            Endpoint::SumTile(tile) => Self::Tile(name, tile),
        }
    }
}

fn escape(text: &str) -> String {
    let write = |c: char| match c {
        'A'..='Z' => format!("!{}", c.to_ascii_lowercase()),
        '#' | '%' | '[' | ']' | '^' | '{' | '}' | ' ' => format!("%{:02X}", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(write).collect()
}

fn module_path() -> impl Strategy<Value = String> {
    let host = "[a-z0-9][a-z0-9-]{0,5}\\.[a-z]{1,4}";
    let element = "[A-Za-z0-9_-][A-Za-z0-9._~-]{0,6}[A-Za-z0-9_-]";
    let plain = (host, vec(element, 0..4), select(vec!["", "/v2", "/v11"]))
        .prop_map(|(host, elements, major)| [vec![host], elements].concat().join("/") + major);
    let gopkg = "[A-Za-z][a-z0-9]{0,5}\\.v[0-9]".prop_map(|name| format!("gopkg.in/{name}"));
    let module = prop_oneof![6 => plain, 1 => gopkg, 1 => Just(module::TOOLCHAIN.to_owned())];
    module.prop_filter("a module path", |path| module::check_path(path).is_ok())
}

fn version_of(module: &str) -> BoxedStrategy<String> {
    let (_, major) = module::split_path_version(module).expect("a module path");
    let major = major.trim_start_matches(['/', '.', 'v']).to_owned();
    let majors = if major.is_empty() {
        vec!["0".to_owned(), "1".to_owned()]
    } else {
        vec![major]
    };
    let tails = [
        "",
        "-rc.1",
        "-RC1",
        "-0.20200101000000-abcdefabcdef",
        "-go1.99.1.linux-amd64",
        "-a-B.0",
    ];
    (
        select(majors),
        0..30_u32,
        0..300_000_000_u32,
        select(tails.to_vec()),
    )
        .prop_map(|(major, minor, patch, tail)| format!("v{major}.{minor}.{patch}{tail}"))
        .boxed()
}

fn query() -> impl Strategy<Value = String> {
    let any = "[A-Za-z0-9#$%&()+,.=@\\[\\]^_{}~ -]{1,12}";
    let likely = select(vec![
        "master",
        "Main",
        "list",
        "v1",
        "v1.2",
        "v1.0.0+meta",
        "v9.0.0",
        "%21",
        "a@v1",
    ]);
    let keywords = ["latest", "upgrade", "patch"];
    prop_oneof![any, likely.prop_map(str::to_owned)]
        .prop_filter("a file name that go asks for", move |query| {
            module::check_query(query).is_ok() && !keywords.contains(&query.as_str())
        })
}

fn database() -> impl Strategy<Value = String> {
    "[a-z0-9][a-z0-9.-]{0,8}[a-z0-9](/[A-Za-z_][A-Za-z0-9_-]{0,5}){0,2}"
        .prop_filter("a name", |name: &String| sumdb::check_name(name).is_ok())
}

fn tile() -> impl Strategy<Value = Tile> {
    let level = prop_oneof![(0..8_u8).prop_map(Level::Hash), Just(Level::Data)];
    let index = prop_oneof![0..3_000_u64, 0..(1_u64 << 55)];
    (level, index, 1..=256_u16).prop_map(|(level, index, width)| Tile {
        level,
        index,
        width,
    })
}

fn object() -> impl Strategy<Value = Object> {
    let file = |module: String| {
        let version = version_of(&module);
        let extension = select(vec!["info", "mod", "zip"]);
        (version, extension)
            .prop_map(move |(version, extension)| Object::File(module.clone(), version, extension))
    };
    let lookup = |(name, module): (String, String)| {
        version_of(&module)
            .prop_map(move |version| Object::Lookup(name.clone(), module.clone(), version))
    };
    prop_oneof![
        module_path().prop_map(Object::List),
        module_path().prop_map(Object::Latest),
        module_path().prop_flat_map(file),
        (module_path(), query()).prop_map(|(module, query)| Object::File(module, query, "info")),
        database().prop_map(Object::Supported),
        database().prop_map(Object::SumLatest),
        (database(), module_path()).prop_flat_map(lookup),
        (database(), tile()).prop_map(|(name, tile)| Object::Tile(name, tile)),
    ]
}

/// A path in another spelling: some bytes %-encoded, in either case, below /cached-only or not, with a query string or not.
fn spelled(object: Object) -> impl Strategy<Value = (Object, String, bool)> {
    let bytes = object.path().into_bytes();
    let ways = vec(0..4_u8, bytes.len());
    (ways, any::<bool>(), "(\\?[a-z/%?=.]{0,8})?").prop_map(move |(ways, cached_only, query)| {
        let canonical = bytes
            .iter()
            .map(|byte| char::from(*byte))
            .collect::<String>();
        let mut path = if cached_only {
            "/cached-only".to_owned()
        } else {
            String::new()
        };
        let mut rest = canonical.as_str();
        while let Some(c) = rest.chars().next() {
            // What is encoded already stays one unit, whose digits may change their case only.
            let unit = if c == '%' { &rest[..3] } else { &rest[..1] };
            match ways[canonical.len() - rest.len()] {
                _ if c == '/' => path.push('/'),
                0 if c != '%' => path.push_str(&format!("%{:02x}", u32::from(c))),
                1 if c != '%' => path.push_str(&format!("%{:02X}", u32::from(c))),
                2 if c == '%' => path.push_str(&unit.to_ascii_lowercase()),
                _ => path.push_str(unit),
            }
            rest = &rest[unit.len()..];
        }
        (object.clone(), path + &query, cached_only)
    })
}

/// Paths that are nearly right: right ones with bytes replaced, inserted, removed or doubled, and words in any order.
fn crooked() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![select(b"/@!.%~+?v12Aa-_x\\;: ".to_vec()), any::<u8>()];
    let changed = (
        object(),
        vec((any::<prop::sample::Index>(), 0..3_u8, byte), 1..4),
    )
        .prop_map(|(object, changes)| {
            let mut path = object.path().into_bytes();
            for (at, how, byte) in changes {
                let at = at.index(path.len());
                match how {
                    0 => path[at] = byte,
                    1 => path.insert(at, byte),
                    _ if path.len() > 1 => drop(path.remove(at)),
                    _ => {}
                }
            }
            path
        });
    let words = [
        "/",
        "//",
        "@v",
        "/@v/",
        "@latest",
        "list",
        ".info",
        ".mod",
        ".zip",
        "example.com",
        "gopkg.in",
        "a",
        "A",
        "!a",
        "%21",
        "%2f",
        "%2e",
        "..",
        ".",
        "v1",
        "v2.0.0",
        "v1.0.0",
        "+incompatible",
        "sumdb",
        "lookup",
        "tile/8",
        "000",
        "x001",
        ".p/",
        "data",
        "supported",
        "latest",
        "cached-only",
        "?",
        "@",
        "%",
        "~1",
        "con",
        "-",
        " ",
        "\0",
    ];
    let shuffled = vec(select(words.to_vec()), 0..12)
        .prop_map(|words| format!("/{}", words.concat()).into_bytes());
    prop_oneof![4 => changed, 2 => shuffled, 1 => vec(any::<u8>(), 0..80)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_undoes_printing((object, path, cached_only) in object().prop_flat_map(spelled)) {
        let request = Request::parse(path.as_bytes());
        prop_assert!(request.is_ok(), "{path}: {request:?}");
        let request = request.expect("asserted");
        prop_assert_eq!(&Object::of(&request), &object, "{}", path);
        prop_assert_eq!(request.canonical(), object.path());
        prop_assert_eq!(request.cached_only(), cached_only);
    }

    #[test]
    fn two_objects_have_two_names(one in object(), two in object()) {
        prop_assert_eq!(one == two, one.path() == two.path(), "{:?} {:?}", one, two);
    }

    #[test]
    fn what_is_accepted_has_the_name_of_its_object(path in crooked()) {
        let Ok(request) = Request::parse(&path) else { return Ok(()) };
        let object = Object::of(&request);
        // Any spelling of the object comes to the object's one path, so no two of them have two keys.
        prop_assert_eq!(request.canonical(), object.path(), "{}", path.escape_ascii());
        let again = Request::parse(request.canonical().as_bytes()).expect("a canonical path");
        prop_assert_eq!(again.canonical(), request.canonical());
        prop_assert!(!again.cached_only());
        prop_assert_eq!(Object::of(&again), object);
    }

    #[test]
    fn what_is_accepted_can_be_sent_by_go(path in crooked()) {
        let Ok(request) = Request::parse(&path) else { return Ok(()) };
        let canonical = request.canonical();
        prop_assert!(canonical.bytes().all(|b| b.is_ascii_graphic() && !b"\"#<>?[\\]^`{|}".contains(&b)), "{canonical}");
        prop_assert!(!canonical.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")), "{canonical}");
        prop_assert!(canonical.ends_with(request.upstream_path()) && request.upstream_path().starts_with('/'));
        if let Some(module) = request.module() {
            prop_assert_eq!(module::check_path(&module), Ok(()));
        }
        let (module, version) = (request.module().unwrap_or_default(), request.version().unwrap_or_default());
        let is_version = module::check(&module, &version).is_ok();
        match request.endpoint() {
            Endpoint::Info | Endpoint::Mod | Endpoint::Zip | Endpoint::SumLookup => {
                prop_assert!(is_version && request.class() == Class::Immutable);
            }
            Endpoint::Query => {
                prop_assert!(!is_version && module::check_query(&version).is_ok() && request.class() == Class::Mutable);
            }
            Endpoint::SumTile(tile) => prop_assert_eq!(tile.width == 256, request.class() == Class::Immutable),
            _ => prop_assert_eq!(request.class(), Class::Mutable),
        }
        if let Some(name) = request.sumdb() {
            prop_assert_eq!(sumdb::check_name(name), Ok(()));
        }
    }

    #[test]
    fn a_refusal_is_printable(path in crooked()) {
        if let Err(error) = Request::parse(&path) {
            prop_assert!(error.to_string().bytes().all(|b| (b' '..=b'~').contains(&b)));
            prop_assert!(!error.is_too_long() || error.is_undecodable());
        }
    }

    #[test]
    fn a_tile_path_is_read_back(tile in tile(), text in "tile/8/(data|[0-9]{1,2})/(x[0-9]{3}/){0,2}[0-9]{2,4}(\\.p/[0-9]{1,3})?") {
        prop_assert_eq!(Tile::parse(&tile.to_string()), Some(tile));
        if let Some(tile) = Tile::parse(&text) {
            prop_assert_eq!(tile.to_string(), text);
        }
    }

    #[test]
    fn order_is_total(texts in vec("v?[0-9]{1,2}(\\.[0-9]{1,2}){0,2}(-[a0-9.]{1,4})?(\\+[a.]{1,2})?", 3)) {
        let [a, b, c] = [&texts[0], &texts[1], &texts[2]];
        prop_assert_eq!(semver::order(a, b), semver::order(b, a).reverse());
        prop_assert_eq!(semver::order(a, b).is_eq(), a == b);
        prop_assert!(semver::order(a, b).is_gt() || semver::order(b, c).is_gt() || semver::order(a, c).is_le());
    }

    #[test]
    fn a_list_keeps_what_go_can_use(
        module in select(vec!["example.com/a", "example.com/a/v2", "gopkg.in/a.v1"]),
        lines in vec("(v[0-4]\\.(0|[1-9][0-9]{0,9})\\.[0-9]{1,9}(-(rc\\.)?[0-9]|\\+incompatible|\\+x)?|v0\\.0\\.0-20200101000000-abcdefabcdef| v1\\.0\\.0 x\r|[a-z]{0,3})", 0..30),
    ) {
        let body = lines.join("\n");
        let Ok(list) = body::list(module, body.as_bytes()) else { return Ok(()) };
        let list = String::from_utf8(list).expect("ASCII");
        let mut expected: Vec<&str> = lines.iter().filter_map(|line| line.split_ascii_whitespace().next())
            .filter(|version| module::check(module, version).is_ok() && !semver::is_pseudo(version)).collect();
        expected.sort_by(|left, right| semver::order(left, right));
        expected.dedup();
        prop_assert_eq!(list.lines().collect::<Vec<_>>(), expected);
        prop_assert!(list.is_empty() || list.ends_with('\n'));
        prop_assert_eq!(body::list(module, list.as_bytes()), Ok(list.into_bytes()), "a clean list stays as it is");
    }

    #[test]
    fn no_body_makes_it_panic(
        object in object(),
        body in prop_oneof![vec(any::<u8>(), 0..200), body_words().prop_map(String::into_bytes)],
    ) {
        let request = Request::parse(object.path().as_bytes()).expect("a path");
        match body::validate(&request, body.clone()) {
            Ok(kept) => prop_assert!(kept == body || request.endpoint() == Endpoint::List),
            Err(error) => prop_assert!(error.to_string().bytes().all(|b| (b' '..=b'~').contains(&b))),
        }
    }

    #[test]
    fn a_glob_matches_as_it_is_defined(pattern in "[ab*?]{1,8}(/[ab*?]{1,4}){0,2}", module in "[ab]{1,8}(/[ab]{1,4}){0,3}") {
        let depth = pattern.split('/').count();
        let prefix: Vec<&str> = module.split('/').take(depth).collect();
        let expected = prefix.len() == depth && pattern.split('/').zip(prefix).all(|(glob, part)| defined(glob, part));
        prop_assert_eq!(Pattern::parse(&pattern).expect("a pattern").matches(&module), expected || pattern == "*");
    }

    #[test]
    fn no_pattern_makes_it_panic(pattern in ".{0,20}|[a\\[\\]^\\\\*?/,-]{0,20}", module in ".{0,20}") {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            pattern.matches(&module);
            prop_assert_eq!(Pattern::parse(pattern.as_str()), Ok(pattern));
        }
    }
}

/// Bodies made of the words that the formats are made of.
fn body_words() -> impl Strategy<Value = String> {
    let words = [
        "\n",
        "\n\n",
        " ",
        "0",
        "1",
        "module ",
        "\"",
        "`",
        "//",
        "{",
        "}",
        "[",
        "\"Version\":",
        "\"v1.0.0\"",
        ",",
        "v1.0.0",
        "/go.mod",
        "h1:",
        "TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=",
        "go.sum database tree\n",
        "\u{2014} ",
        "a.b",
        "<",
        "\r",
        "\u{e9}",
        "=",
        "==",
        "AAAAAAA=",
        "PK\u{3}\u{4}",
    ];
    vec(select(words.to_vec()), 0..25).prop_map(|words| words.concat())
}

/// A glob by its definition, with all the time in the world.
fn defined(glob: &str, text: &str) -> bool {
    match glob.chars().next() {
        None => text.is_empty(),
        Some('*') => (0..=text.len()).any(|at| defined(&glob[1..], &text[at..])),
        Some(c) => {
            text.chars().next().is_some_and(|t| c == '?' || c == t)
                && defined(&glob[1..], &text[1..])
        }
    }
}
