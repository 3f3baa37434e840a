//! A path as it stood on the wire, decoded once and written again in one way only.
//!
//! The one way: every byte that may stand in a URL path stands there as it is, `!` and `+` too; every other one is `%`
//! and two upper-case hex digits. A slash or backslash that was encoded is refused, since who decodes it later
//! would see another path than we did.

use std::borrow::Cow;

use super::request::PathError;

/// Decodes a path and writes it in the one way.
pub(super) fn canonical(wire: &[u8]) -> Result<String, PathError> {
    // What is decoded is never longer than what was encoded, so this is the only allocation.
    let mut path = String::with_capacity(wire.len());
    let mut rest = wire;
    loop {
        let plain = rest.iter().position(|byte| !is_path_byte(*byte));
        let (run, tail) = rest
            .split_at_checked(plain.unwrap_or(rest.len()))
            .unwrap_or((rest, &[]));
        path.push_str(std::str::from_utf8(run).map_err(|_| PathError::Byte)?);
        rest = match tail {
            [] => return Ok(path),
            [b'%', high, low, tail @ ..] => {
                push_decoded(&mut path, hex_pair(*high, *low)?)?;
                tail
            }
            [b'%', ..] => return Err(PathError::Percent),
            _ => return Err(PathError::Byte),
        };
    }
}

/// Undoes the encoding of [`canonical`]; borrows where there is none.
pub(super) fn decoded(canonical: &str) -> Cow<'_, str> {
    if !canonical.contains('%') {
        return Cow::Borrowed(canonical);
    }
    let mut text = String::with_capacity(canonical.len());
    let mut rest = canonical.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        let (byte, tail) = match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => (hex_pair(*high, *low).unwrap_or(b'%'), tail),
            _ => (*byte, tail),
        };
        text.push(char::from(byte));
        rest = tail;
    }
    Cow::Owned(text)
}

fn push_decoded(path: &mut String, byte: u8) -> Result<(), PathError> {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    match byte {
        b'/' | b'\\' => return Err(PathError::EncodedSlash),
        byte if is_path_byte(byte) => path.push(char::from(byte)),
        b' '..=b'~' => {
            path.push('%');
            path.extend(HEX.get(usize::from(byte >> 4)));
            path.extend(HEX.get(usize::from(byte & 0xf)));
        }
        _ => return Err(PathError::Byte),
    }
    Ok(())
}

/// RFC 3986, section 3.3: `pchar` without the percent sign, and the slash.
fn is_path_byte(byte: u8) -> bool {
    matches!(byte,
        b'a'..=b'z' | b'0'..=b'9' | b'A'..=b'Z' | b'/' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\''
        | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@')
}

fn hex_pair(high: u8, low: u8) -> Result<u8, PathError> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte & 0xf),
        // The low bits of A and a are 1.
        b'A'..=b'F' | b'a'..=b'f' => Ok((byte & 0xf).saturating_add(9)),
        _ => Err(PathError::Percent),
    };
    Ok(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn every_spelling_of_a_byte_is_written_in_one_way() {
        for byte in b' '..=b'~' {
            let (upper, lower) = (format!("/%{byte:02X}"), format!("/%{byte:02x}"));
            let written = canonical(upper.as_bytes());
            assert_eq!(canonical(lower.as_bytes()), written, "{upper}");
            let Ok(written) = written else {
                assert!(byte == b'/' || byte == b'\\', "{upper}");
                continue;
            };
            assert_eq!(
                written.len() == 2,
                is_path_byte(byte),
                "{upper} is written {written}"
            );
            assert_eq!(
                canonical(written.as_bytes()).as_ref(),
                Ok(&written),
                "{written} is its own canonical form"
            );
            assert_eq!(decoded(&written).as_bytes(), [b'/', byte], "{written}");
        }
    }

    #[test]
    fn what_cannot_stand_in_a_path_is_refused() {
        for byte in (0..=b' ').chain(0x7f..=0xff).chain(*b"\"#<>?[\\]^`{|}") {
            assert_eq!(
                canonical(&[b'/', byte]),
                Err(PathError::Byte),
                "raw {byte:#x}"
            );
        }
        for byte in (0..b' ').chain(0x7f..=0xff) {
            assert_eq!(
                canonical(format!("/%{byte:02x}").as_bytes()),
                Err(PathError::Byte),
                "encoded {byte:#x}"
            );
        }
        for path in [
            "/%", "/%2", "/%zz", "/%2g", "/%u0041", "/% 1", "/%+1", "/a%",
        ] {
            assert_eq!(
                canonical(path.as_bytes()),
                Err(PathError::Percent),
                "{path}"
            );
        }
        for path in ["/%2F", "/%2f", "/%5C", "/%5c"] {
            assert_eq!(
                canonical(path.as_bytes()),
                Err(PathError::EncodedSlash),
                "{path}"
            );
        }
    }

    #[test]
    fn a_path_is_decoded_once() {
        assert_eq!(canonical(b"/%2521").as_deref(), Ok("/%2521"));
        assert_eq!(canonical(b"/a+b%20c").as_deref(), Ok("/a+b%20c"));
    }
}
