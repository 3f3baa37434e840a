//! How `go` is set up for the gateway: lines for a shell, and what they do not say as comments.

/// More patterns than these are not listed.
const MAX_LISTED: usize = 12;

/// What a configuration means for who uses it.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// Where the gateway is, as the client knows it: a value for GOPROXY.
    pub address: String,
    /// The checksum databases that come through it.
    pub databases: Vec<&'a str>,
    /// The patterns of its routes.
    pub patterns: Vec<&'a str>,
}

/// The pattern that matches every module.
const ALL: &str = "*";

/// What stands for the gateway's address where the client does not say how it came here.
const NOWHERE: &str = "GATEWAY";

/// The database that `go` asks if nobody says otherwise.
const DEFAULT: &str = "sum.golang.org";

impl Setup<'_> {
    /// A text for `/-/env`. Every line that is no command is a comment, so that it can be read by a shell.
    #[inline(never)]
    pub fn lines(&self) -> String {
        let mut text = String::from("go env -w GOPROXY=");
        text.push_str(&self.address);
        text.push('\n');
        self.databases(&mut text);
        let mut own = self.patterns.clone();
        own.retain(|pattern| *pattern != ALL);
        if !own.is_empty() {
            self.routes(&mut text, &own);
        }
        text
    }

    fn databases(&self, text: &mut String) {
        let has_default = self.databases.contains(&DEFAULT);
        text.push_str(if has_default {
            "# Checksums of sum.golang.org come through this gateway. GOSUMDB stays as it is.\n"
        } else {
            "# Checksums of sum.golang.org do not come through this gateway: go asks that host itself.\n"
        });
        for name in self.databases.iter().filter(|name| **name != DEFAULT) {
            text.push_str("# Checksums of ");
            text.push_str(name);
            text.push_str(
                " come through it to whoever sets GOSUMDB to that database and its key.\n",
            );
        }
    }

    fn routes(&self, text: &mut String, own: &[&str]) {
        let patterns = listed(own);
        if own.len() == self.patterns.len() {
            text.push_str("# Only these modules come through it: ");
            text.push_str(&patterns);
            text.push_str(
                "\n# For all others it answers 404; then go asks what stands behind a comma:\n#   go env -w GOPROXY=",
            );
            text.push_str(&self.address);
            text.push_str(",direct\n");
        } else {
            text.push_str("# Modules with a route of their own: ");
            text.push_str(&patterns);
            text.push('\n');
        }
        text.push_str(
            "# Where GOPRIVATE names one of them, go passes this gateway by, unless it is told:\n#   go env -w GONOPROXY=none\n",
        );
        text.push_str("# Where a checksum database does not know them, as it knows no private module:\n#   go env -w GONOSUMDB=");
        text.push_str(&patterns);
        text.push('\n');
    }
}

/// The patterns as the variables of `go` have them.
fn listed(patterns: &[&str]) -> String {
    let first = patterns.get(..MAX_LISTED).unwrap_or(patterns);
    let mut listed = first.join(",");
    if patterns.len() > MAX_LISTED {
        listed.push_str(",...");
    }
    listed
}

/// Where a client found the gateway, by what its request says: the first scheme that is one, the host, and the base path.
#[inline(never)]
pub fn address(schemes: [&[u8]; 2], host: &[u8], base_path: &str) -> String {
    // The line is for a shell: a host is what a host may be, or nothing is said of it.
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(byte);
    let is_host = (1..=255).contains(&host.len()) && host.iter().all(is_part);
    let Some(host) = std::str::from_utf8(host).ok().filter(|_| is_host) else {
        return NOWHERE.to_owned();
    };
    let is_tls = match schemes {
        [b"http" | b"https", _] => schemes.first() == Some(&&b"https"[..]),
        [_, other] => other == b"https",
    };
    let scheme = if is_tls { "https://" } else { "http://" };
    [scheme, host, base_path].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    fn setup<'a>(databases: &[&'a str], patterns: &[&'a str]) -> Setup<'a> {
        Setup {
            address: "https://go.example/base".to_owned(),
            databases: databases.to_vec(),
            patterns: patterns.to_vec(),
        }
    }

    fn commands(text: &str) -> Vec<&str> {
        text.lines().filter(|line| !line.starts_with('#')).collect()
    }

    #[test]
    fn the_only_command_is_the_one_that_always_helps() {
        for setup in [
            setup(&[DEFAULT], &["*"]),
            setup(&[], &["git.example", "*"]),
            setup(&["sum.example"], &["a.example", "*.b.example"]),
        ] {
            let text = setup.lines();
            assert_eq!(
                commands(&text),
                ["go env -w GOPROXY=https://go.example/base"],
                "{text}"
            );
            assert!(text.ends_with('\n'));
        }
    }

    #[test]
    fn what_the_routes_imply_is_said() {
        let all = setup(&[DEFAULT], &["*"]).lines();
        assert!(all.contains("GOSUMDB stays as it is"), "{all}");
        assert!(
            !all.contains("GONOPROXY") && !all.contains("direct"),
            "{all}"
        );
        let own = setup(&[], &["git.example", "*", "*.b.example"]).lines();
        assert!(own.contains("go asks that host itself"), "{own}");
        assert!(own.contains("GONOSUMDB=git.example,*.b.example\n"), "{own}");
        assert!(!own.contains(",direct"), "{own}");
        let some = setup(&["sum.example"], &["git.example"]).lines();
        assert!(
            some.contains("GOPROXY=https://go.example/base,direct\n"),
            "{some}"
        );
        assert!(some.contains("# Checksums of sum.example come"), "{some}");
    }

    #[test]
    fn a_thousand_patterns_are_not_listed() {
        let patterns: Vec<String> = (0..1000).map(|n| format!("host{n}.example")).collect();
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let text = setup(&[], &patterns).lines();
        assert!(
            text.len() < 1500 && text.contains("host11.example,...\n"),
            "{text}"
        );
    }
}
