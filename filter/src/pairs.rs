//! Header maps as they cross the boundary to the host (proxy-wasm ABI 0.2.1, "serialized map").
//!
//! A map is the number of fields, the lengths of every name and value, then names and values, each ended by a zero byte;
//! numbers are little-endian 32 bit.

/// Reads a map. What does not fit its own lengths ends it: the host's word is not trusted with a panic.
pub(crate) fn decode(map: &[u8]) -> Vec<(&[u8], &[u8])> {
    let Some((count, rest)) = take_u32(map) else {
        return Vec::new();
    };
    let Some((mut lengths, mut text)) = count
        .checked_mul(8)
        .and_then(|bytes| rest.split_at_checked(bytes))
    else {
        return Vec::new();
    };
    let mut fields = Vec::with_capacity(count);
    while let Some((name_length, rest)) = take_u32(lengths) {
        let Some((value_length, rest)) = take_u32(rest) else {
            break;
        };
        lengths = rest;
        let Some((name, rest)) = take_text(text, name_length) else {
            break;
        };
        let Some((value, rest)) = take_text(rest, value_length) else {
            break;
        };
        text = rest;
        fields.push((name, value));
    }
    fields
}

fn take_u32(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

fn take_text(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(length)?;
    Some((text, rest.split_first()?.1))
}

/// Writes a map.
///
/// The gate for every header value that leaves the filter: Envoy does not look for CR and LF in what a filter sets, so
/// one would split the response. A field whose value no header can hold is left out; names are our own.
pub(crate) fn encode<'a>(fields: impl Iterator<Item = (&'static str, &'a [u8])>) -> Vec<u8> {
    let fields: Vec<_> = fields.filter(|(_, value)| is_value(value)).collect();
    let count = u32::try_from(fields.len()).unwrap_or(u32::MAX);
    let size = fields.iter().fold(4_usize, |sum, (name, value)| {
        sum.saturating_add(10)
            .saturating_add(name.len())
            .saturating_add(value.len())
    });
    let mut map = Vec::with_capacity(size);
    map.extend_from_slice(&count.to_le_bytes());
    for (name, value) in &fields {
        for length in [name.len(), value.len()] {
            map.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        }
    }
    for (name, value) in fields {
        for text in [name.as_bytes(), value] {
            map.extend_from_slice(text);
            map.push(0);
        }
    }
    map
}

/// A single value, through the same gate: one that no header can hold becomes empty.
pub(crate) fn checked(value: &[u8]) -> &[u8] {
    if is_value(value) { value } else { &[] }
}

/// RFC 9110, section 5.5: visible characters, spaces and tabs; bytes above 127 are opaque.
fn is_value(value: &[u8]) -> bool {
    let (words, rest) = value.as_chunks::<8>();
    let are_plain = |bytes: &[u8]| {
        bytes
            .iter()
            .all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
    };
    words
        .iter()
        .all(|word| !may_hold_control(*word) || are_plain(word))
        && are_plain(rest)
}

/// Whether one of eight bytes is below the space or is DEL; eight at once, since every value of every answer comes by.
/// ("Determine if a word has a byte less than n", <https://graphics.stanford.edu/~seander/bithacks.html>.)
const fn may_hold_control(bytes: [u8; 8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let word = u64::from_le_bytes(bytes);
    let below_space = word.wrapping_sub(0x20 * ONES) & !word;
    let delete = word ^ (0x7f * ONES);
    let is_delete = delete.wrapping_sub(ONES) & !delete;
    (below_space | is_delete) & HIGH != 0
}
