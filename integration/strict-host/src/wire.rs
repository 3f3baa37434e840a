//! Header fields, and the form in which a map of them crosses the boundary (proxy-wasm ABI 0.2.1).

/// A header field: name and value.
pub type Field = (String, Vec<u8>);

/// Makes fields of text.
#[must_use]
pub fn fields(pairs: &[(&str, &str)]) -> Vec<Field> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
    pairs.iter().map(owned).collect()
}

/// The first value of a field.
#[must_use]
pub fn value<'a>(fields: &'a [Field], name: &str) -> Option<&'a [u8]> {
    let mut found = fields.iter().filter(|(known, _)| known == name);
    found.next().map(|(_, value)| &**value)
}

/// The first value of a field, where it is text.
#[must_use]
pub fn text<'a>(fields: &'a [Field], name: &str) -> Option<&'a str> {
    std::str::from_utf8(value(fields, name)?).ok()
}

pub(crate) fn encode(fields: &[Field]) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let mut map = number(fields.len()).to_vec();
    for (name, value) in fields {
        map.extend(number(name.len()));
        map.extend(number(value.len()));
    }
    for (name, value) in fields {
        map.extend_from_slice(name.as_bytes());
        map.push(0);
        map.extend_from_slice(value);
        map.push(0);
    }
    map
}

/// `None` for what does not fit its own lengths to the last byte. Nothing at all is an empty map.
pub(crate) fn decode(map: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    if map.is_empty() {
        return Some(Vec::new());
    }
    let (count, rest) = number(map)?;
    let (mut lengths, mut text) = rest.split_at_checked(count.checked_mul(8)?)?;
    let mut fields = Vec::new();
    while !lengths.is_empty() {
        let (name_length, after_name) = number(lengths)?;
        let (value_length, after_value) = number(after_name)?;
        lengths = after_value;
        let (name, after_name) = ended(text, name_length)?;
        let (value, after_value) = ended(after_name, value_length)?;
        text = after_value;
        fields.push((name.to_vec(), value.to_vec()));
    }
    text.is_empty().then_some(fields)
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number) as usize, rest))
}

fn ended(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(length)?;
    let (0, rest) = rest.split_first()? else {
        return None;
    };
    Some((text, rest))
}

/// What a field may be: a lower-case token (or a pseudo-header), and a value without control bytes (RFC 9110, 5.1, 5.5).
pub(crate) fn is_field(name: &[u8], value: &[u8]) -> bool {
    let token = name.strip_prefix(b":").unwrap_or(name);
    let in_token = |byte: &u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(byte)
    };
    let in_value = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    !token.is_empty() && token.iter().all(in_token) && value.iter().all(in_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_survives_the_boundary() {
        let map = fields(&[(":path", "/"), ("x", ""), ("y", "a\0b")]);
        let plain: Vec<_> = map
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.clone()))
            .collect();
        assert_eq!(decode(&encode(&map)), Some(plain));
    }

    #[test]
    fn a_map_that_does_not_fit_its_lengths_is_none() {
        let good = encode(&fields(&[("a", "b")]));
        for cut in 1..good.len() {
            assert_eq!(decode(&good[..cut]), None, "cut at {cut}");
        }
        assert_eq!(decode(&[good.as_slice(), &[0]].concat()), None, "too long");
    }

    #[test]
    fn a_field_that_would_split_a_message_is_none() {
        for (name, value) in [
            ("x", "a\r\nb"),
            ("x", "a\nb"),
            ("x", "\0"),
            ("X", "a"),
            ("", "a"),
            ("a b", ""),
        ] {
            assert!(
                !is_field(name.as_bytes(), value.as_bytes()),
                "{name:?} {value:?}"
            );
        }
        assert!(is_field(b":status", b"200") && is_field(b"etag", b"\"\xff\t\""));
    }
}
