//! RESP2, as far as one reply to one command needs it (<https://redis.io/docs/latest/develop/reference/protocol-spec/>).

use super::Refused;

/// A reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    /// `+OK`
    Simple(&'a [u8]),
    /// `$5`, with its bytes.
    Bulk(&'a [u8]),
    /// `$-1`: there is no such key.
    Nil,
}

/// Reads exactly one reply: its type, its length, the CRLF at its end, and nothing behind.
///
/// # Errors
/// An error reply by its code; [`Refused::Truncated`] for what could have become a reply, [`Refused::NotResp`] for what
/// could not.
pub(super) fn parse(bytes: &[u8]) -> Result<Reply<'_>, Refused> {
    let (kind, rest) = bytes.split_first().ok_or(Refused::Truncated)?;
    if !matches!(kind, b'+' | b'-' | b'$') {
        return Err(Refused::NotResp);
    }
    let (line, behind) = line(rest)?;
    match kind {
        b'$' if line == b"-1" => nothing(behind).map(|()| Reply::Nil),
        b'$' => bulk(number(line)?, behind).map(Reply::Bulk),
        b'+' => nothing(behind).map(|()| Reply::Simple(line)),
        _ => Err(Refused::of_error(line)),
    }
}

/// What stands before the first CRLF, and behind it.
fn line(bytes: &[u8]) -> Result<(&[u8], &[u8]), Refused> {
    let is_control = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let Some((line, rest)) = bytes
        .iter()
        .position(is_control)
        .and_then(|end| bytes.split_at_checked(end))
    else {
        return Err(Refused::Truncated);
    };
    end(rest).map(|behind| (line, behind))
}

/// What stands behind a CRLF.
fn end(bytes: &[u8]) -> Result<&[u8], Refused> {
    match bytes {
        [b'\r', b'\n', behind @ ..] => Ok(behind),
        [] | [b'\r'] => Err(Refused::Truncated),
        _ => Err(Refused::NotResp),
    }
}

fn nothing(behind: &[u8]) -> Result<(), Refused> {
    if behind.is_empty() {
        Ok(())
    } else {
        Err(Refused::NotResp)
    }
}

/// A length as Redis writes it: digits, without a sign or a zero before them.
fn number(line: &[u8]) -> Result<usize, Refused> {
    let is_number = !line.is_empty() && line.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(line).map_err(|_| Refused::NotResp)?;
    if !is_number || (line.len() > 1 && line.starts_with(b"0")) {
        return Err(Refused::NotResp);
    }
    // Digits that no usize holds are a length that no body has.
    text.parse().map_err(|_| Refused::TooLarge)
}

fn bulk(length: usize, bytes: &[u8]) -> Result<&[u8], Refused> {
    let (value, rest) = bytes.split_at_checked(length).ok_or(Refused::Truncated)?;
    nothing(end(rest)?)?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn a_reply_is_read() {
        for (bytes, reply) in [
            (&b"$5\r\nhello\r\n"[..], Reply::Bulk(b"hello")),
            (b"$0\r\n\r\n", Reply::Bulk(b"")),
            (b"$4\r\n\r\n\r\n\r\n", Reply::Bulk(b"\r\n\r\n")),
            (b"$3\r\n\0\xff\n\r\n", Reply::Bulk(b"\0\xff\n")),
            (b"$-1\r\n", Reply::Nil),
            (b"+OK\r\n", Reply::Simple(b"OK")),
            (b"+\r\n", Reply::Simple(b"")),
        ] {
            assert_eq!(parse(bytes), Ok(reply), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for (bytes, reason) in [
            (&b"-OOM command not allowed\r\n"[..], Refused::OutOfMemory),
            (b"-ERR\r\n", Refused::RedisError),
            (b"-ERR unknown", Refused::Truncated),
            (b"", Refused::Truncated),
            (b"+OK\r", Refused::Truncated),
            (b"$5\r\nhell\r\n", Refused::NotResp),
            (b"$4\r\nhello\r\n", Refused::NotResp),
            (b"$5\r\nhello\n", Refused::NotResp),
            (b"$5\r\nhello\r\n\r\n", Refused::NotResp),
            (b"$-1\r\n$-1\r\n", Refused::NotResp),
            (b"+OK\r\n+OK\r\n", Refused::NotResp),
            (b"+OK\n", Refused::NotResp),
            (b"+OK\rX", Refused::NotResp),
            (b"$\r\n\r\n", Refused::NotResp),
            (b"$-2\r\n", Refused::NotResp),
            (b"$+5\r\nhello\r\n", Refused::NotResp),
            (b"$05\r\nhello\r\n", Refused::NotResp),
            (b"$ 5\r\nhello\r\n", Refused::NotResp),
            (b"$0x5\r\nhello\r\n", Refused::NotResp),
            (b"$99999999999999999999999\r\nx\r\n", Refused::TooLarge),
            (b":1\r\n", Refused::NotResp),
            (b"*1\r\n$5\r\nhello\r\n", Refused::NotResp),
            (b"_\r\n", Refused::NotResp),
            (b"<html><body>Sign in</body></html>", Refused::NotResp),
            (b"{\"GET\":null}", Refused::NotResp),
            (b"hello", Refused::NotResp),
            (b"\r\n$-1\r\n", Refused::NotResp),
        ] {
            assert_eq!(parse(bytes), Err(reason), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_reply_that_was_cut_is_told_from_another() {
        for reply in [
            "$12\r\nhello\r\nworld\r\n",
            "$-1\r\n",
            "+OK\r\n",
            "-ERR x\r\n",
        ] {
            for length in 0..reply.len() {
                let cut = &reply[..length];
                assert_eq!(parse(cut.as_bytes()), Err(Refused::Truncated), "{cut:?}");
            }
        }
    }
}
