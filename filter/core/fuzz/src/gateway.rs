//! The gateway in a host that does anything in any order: requests, outcomes (late and double ones too), ticks, aborts,
//! forwarded answers, new configurations.
//!
//! Whatever comes: no panic, one answer for a stream, nothing said to one that is closed, nobody waits for ever, and no
//! answer that its upstreams did not give.

mod answers;
mod host;
mod redis;

use host::Host;

/// Input: events. The first byte chooses the configuration, each event is a letter (any byte is one, see `EVENTS`) and its
/// arguments, a byte each.
pub fn check(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut host = Host::new(bytes.next());
    // A schedule of a few hundred events has every order that counts, and runs fast.
    for _ in 0..400 {
        if bytes.0.is_empty() {
            break;
        }
        event(&mut host, &mut bytes);
    }
    host.settle();
}

/// The letters of the events, in the order of their numbers.
const EVENTS: &[u8; 11] = b"RCOTASHBLNP";

fn event(host: &mut Host, bytes: &mut Bytes<'_>) {
    let letter = bytes.next();
    let number = EVENTS
        .iter()
        .position(|known| *known == letter)
        .unwrap_or(usize::from(letter));
    match EVENTS[number % EVENTS.len()] {
        b'R' => host.request(bytes.next(), bytes.next(), bytes.next()),
        b'C' => host.take_callouts(bytes.next()),
        b'O' => host.outcome(bytes.next(), bytes.next(), bytes.next()),
        b'T' => host.tick(bytes.next()),
        b'A' => host.abort(bytes.next()),
        b'S' => host.take_steps(bytes.next()),
        b'H' => host.forwarded_head(bytes.next(), bytes.next(), bytes.next()),
        b'B' => host.forwarded_body(bytes.next(), bytes.next()),
        b'L' => host.late_outcome(bytes.next()),
        b'N' => host.new_configuration(bytes.next()),
        // A path of the fuzzer's own, to the end of the line.
        _ => {
            let (path, rest) = super::line(bytes.0);
            bytes.0 = rest;
            host.request_path(path);
        }
    }
}

/// The input, from the front; zeros behind its end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *byte
    }
}
