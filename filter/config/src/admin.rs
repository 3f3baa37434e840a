//! Who may see the pages of the gateway.

use std::net::IpAddr;

use super::document::AdminDocument;
use super::read::{Text, Why};

/// Who may see the pages of the gateway: whoever comes from one of these networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    cidrs: Vec<Cidr>,
}

impl Admin {
    /// Whether a client with this address may see them. The address is the host's text: `192.0.2.7:51234`, `[::1]:51234`, or
    /// without a port.
    #[must_use]
    pub fn admits(&self, address: &str) -> bool {
        let (host, _) = super::authority::split_port(address.as_bytes());
        let host = host
            .strip_prefix(b"[")
            .and_then(|host| host.strip_suffix(b"]"))
            .unwrap_or(host);
        // What has no port may be IPv6 without brackets.
        let parse = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok();
        let address = parse(address.as_bytes()).or_else(|| parse(host));
        address.is_some_and(|address| self.cidrs.iter().any(|cidr| cidr.holds(address)))
    }
}

impl From<AdminDocument> for Admin {
    fn from(document: AdminDocument) -> Self {
        Self {
            cidrs: document.cidrs.0,
        }
    }
}

/// A network: an address, and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// The address as a number, at the upper end of 128 bits, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()).wrapping_shl(96), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

impl Cidr {
    /// Whether an address is in it. One of IPv4 that comes as one of IPv6 (`::ffff:192.0.2.7`) is the one of IPv4.
    fn holds(self, address: IpAddr) -> bool {
        let (address, width) = bits(address.to_canonical());
        let (own, own_width) = bits(self.address);
        width == own_width && (address ^ own) & self.mask() == 0
    }

    /// The bits that count.
    fn mask(self) -> u128 {
        u128::MAX
            .checked_shl(128_u32.saturating_sub(self.prefix.into()))
            .unwrap_or_default()
    }
}

impl Text for Cidr {
    const EXPECTED: &'static str = r#"a network such as "10.0.0.0/8" or "fd00::/8""#;

    fn parse(text: &str) -> Result<Self, Why> {
        let Some((address, prefix)) = text.split_once('/') else {
            let is_address = text.parse::<IpAddr>().is_ok();
            let why = "one address is a network too, with /32 (IPv4) or /128 (IPv6) behind it";
            return Err(if is_address { why } else { "" }.into());
        };
        let address = address.parse::<IpAddr>().map_err(|_| Why::default())?;
        if address.to_canonical() != address {
            return Err("a network of IPv4 is written as one".into());
        }
        let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
        let is_short = prefix == "0" || !prefix.starts_with('0');
        let (own, width) = bits(address);
        let prefix = prefix
            .parse()
            .ok()
            .filter(|prefix| digits && is_short && *prefix <= width)
            .ok_or_else(|| match width {
                32 => Why::from("the length of an IPv4 network is from 0 to 32"),
                _ => Why::from("the length of an IPv6 network is from 0 to 128"),
            })?;
        let cidr = Self { address, prefix };
        if own & !cidr.mask() != 0 {
            return Err("the address has bits behind the network's length".into());
        }
        Ok(cidr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    fn admin(cidrs: &[&str]) -> Admin {
        let cidrs = cidrs.iter().map(|text| Cidr::parse(text).unwrap());
        Admin {
            cidrs: cidrs.collect(),
        }
    }

    #[test]
    fn who_is_in_a_network_is_admitted() {
        let all = admin(&["10.0.0.0/8", "192.0.2.7/32", "fd00::/8", "::1/128"]);
        for (address, is_in) in [
            ("10.255.0.1:51234", true),
            ("10.0.0.0", true),
            ("11.0.0.1:51234", false),
            ("9.255.255.255:1", false),
            ("192.0.2.7:80", true),
            ("192.0.2.6:80", false),
            ("[fdff::1]:443", true),
            ("[fe00::1]:443", false),
            ("fd00::1", true),
            ("[::1]:9", true),
            ("::1", true),
            ("[::2]:9", false),
            ("[::ffff:10.1.2.3]:9", true),
            ("[::ffff:11.1.2.3]:9", false),
            // An address of IPv6 whose bits begin as those of 10.0.0.0/8 do.
            ("[a00::1]:9", false),
            ("", false),
            ("/tmp/socket", false),
            ("10.0.0.1:80:80", false),
            ("10.0.0.1, 10.0.0.2", false),
            ("[10.0.0.1", false),
        ] {
            assert_eq!(all.admits(address), is_in, "{address:?}");
        }
        assert!(admin(&["0.0.0.0/0"]).admits("203.0.113.9:1"));
        assert!(!admin(&["0.0.0.0/0"]).admits("[::1]:1"));
        assert!(admin(&["::/0"]).admits("[2001:db8::1]:1"));
        assert!(!admin(&[]).admits("127.0.0.1:1"));
    }
}
