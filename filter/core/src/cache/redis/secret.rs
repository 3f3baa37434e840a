//! What the gateway keeps to itself: the key that signs values, and the token for a REST gateway.

use std::fmt;
use std::rc::Rc;

use hmac::digest::CtOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

/// Bytes of an HMAC-SHA256.
pub(super) const MAC_BYTES: usize = 32;

/// The least length of a signing key: 128 bits, if each byte is one of chance (NIST SP 800-107, section 5.3.2).
const LEAST_KEY_BYTES: usize = 16;
/// Tokens are some 40 to 120 characters; hosts take header lines of 8 KiB.
const MOST_TOKEN_BYTES: usize = 4096;

/// Why a secret cannot be used. The texts hold nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SecretError {
    /// A signing key that could be guessed.
    #[error("expected a signing key of at least 16 bytes, got {0}")]
    ShortKey(usize),
    /// A token that cannot stand in a header.
    #[error("expected a token of 1 to 4096 printable ASCII characters without spaces")]
    Token,
}

/// The key that values in Redis are signed with. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// Takes what an environment variable holds. White space around it is not part of it, since files with secrets end
    /// with a line break as often as not, and all replicas must come to the same key.
    ///
    /// # Errors
    /// [`SecretError::ShortKey`] below 16 bytes.
    pub fn from_secret(secret: &str) -> Result<Self, SecretError> {
        let key = secret.trim();
        let short = SecretError::ShortKey(key.len());
        if key.len() < LEAST_KEY_BYTES {
            return Err(short);
        }
        Hmac::new_from_slice(key.as_bytes())
            .map(Self)
            .map_err(|_| short)
    }

    /// The signature of some bytes.
    pub(super) fn sign(&self, bytes: &[u8]) -> [u8; MAC_BYTES] {
        self.mac(bytes).into_bytes().into()
    }

    /// Whether that is their signature; takes the same time wherever it differs.
    pub(super) fn verifies(&self, bytes: &[u8], signature: [u8; MAC_BYTES]) -> bool {
        self.mac(bytes) == CtOutput::new(signature.into())
    }

    /// Not inlined: the hash is some kilobytes, and the filter's size counts.
    #[inline(never)]
    fn mac(&self, bytes: &[u8]) -> CtOutput<Hmac<Sha256>> {
        self.0.clone().chain_update(bytes).finalize()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// The value of `authorization` with a bearer token (RFC 6750, section 2.1). `Debug` shows nothing of it.
#[derive(Clone)]
pub(super) struct Bearer(Rc<str>);

impl Bearer {
    /// Takes what an environment variable holds, without white space around it.
    pub(super) fn from_secret(secret: &str) -> Result<Self, SecretError> {
        let token = secret.trim();
        let fits = (1..=MOST_TOKEN_BYTES).contains(&token.len())
            && token.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            Ok(Self(["Bearer ", token].concat().into()))
        } else {
            Err(SecretError::Token)
        }
    }

    /// The header's value.
    pub(super) fn value(&self) -> Rc<str> {
        Rc::clone(&self.0)
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn a_key_that_could_be_guessed_is_refused() {
        for short in ["", "fifteen-bytes-x", " fifteen-bytes-x\n"] {
            let error = SigningKey::from_secret(short).unwrap_err();
            assert_eq!(
                error,
                SecretError::ShortKey(short.trim().len()),
                "{short:?}"
            );
            assert!(!error.to_string().contains("fifteen"), "{error}");
        }
        assert!(SigningKey::from_secret("sixteen-bytes-xx").is_ok());
    }

    #[test]
    fn white_space_around_a_key_is_no_part_of_it() {
        let (key, line) = ("sixteen-bytes-xx", "sixteen-bytes-xx\n");
        let signature = SigningKey::from_secret(key).unwrap().sign(b"value");
        assert!(
            SigningKey::from_secret(line)
                .unwrap()
                .verifies(b"value", signature)
        );
    }

    /// printf value | openssl dgst -sha256 -hmac sixteen-bytes-xx
    #[test]
    fn a_signature_is_an_hmac_sha256() {
        let signature = SigningKey::from_secret("sixteen-bytes-xx")
            .unwrap()
            .sign(b"value");
        let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "760bb65f8fd9619f4ae957c2bf9996954ed424073e1eb01a0b2166232640a15e"
        );
    }

    #[test]
    fn a_token_that_would_break_a_header_is_refused() {
        for bad in ["", " \n", "a b", "a\r\nx: y", "\u{e9}", &"x".repeat(4097)] {
            assert_eq!(
                Bearer::from_secret(bad).unwrap_err(),
                SecretError::Token,
                "{bad:?}"
            );
        }
        assert_eq!(
            &*Bearer::from_secret("t0k=\n").unwrap().value(),
            "Bearer t0k="
        );
    }

    #[test]
    fn no_secret_shows() {
        let key = SigningKey::from_secret("sixteen-bytes-xx").unwrap();
        let token = Bearer::from_secret("sixteen-bytes-xx").unwrap();
        assert_eq!(format!("{key:?} {token:?}"), "SigningKey(..) Bearer(..)");
    }
}
