//! A long life: a worker's memory stays within its budget, however many requests it has seen and however many keys.

use goproxy_strict_host::{Host, StrictHostError};

use crate::support::Outcome;

const CACHE: usize = 8 << 20;
/// What a worker may hold: the cache's bytes, as much again for what the allocator leaves between them, and 8 MiB for all else
/// (code's own data, the table of locations, requests under way).
const BUDGET: usize = 2 * CACHE + (8 << 20);

fn configuration() -> String {
    format!(
        r#"{{"upstreams": [{{"name": "public", "target": "up", "authority": "proxy.example"}}],
            "routes": [{{"modules": ["*"], "chain": ["public"]}}],
            "cache": {{"memory": {{"size": "{}MiB", "max_object": "64KiB"}}}}}}"#,
        CACHE >> 20
    )
}

/// A `.mod` of any size, different for each number.
fn module(number: u64) -> (String, String) {
    let name = format!("example.com/m{number}");
    let size = usize::try_from(number % 61).unwrap_or_default() * 100;
    (
        format!("/{name}/@v/v1.0.0.mod"),
        format!("module {name}\n\n// {}\n", "x".repeat(size)),
    )
}

/// Asks for a module, and answers the callout if there is one; tells whether there was.
fn ask(host: &mut Host, number: u64) -> Result<bool, StrictHostError> {
    let (path, body) = module(number);
    let stream = host.request("GET", &path, &[])?;
    let callout = host.callouts().first().map(|callout| callout.handle);
    if let Some(callout) = callout {
        // Some are not there, some fail.
        match number % 10 {
            0 => host.answer(callout, 404, &[], b"not found\n")?,
            1 => host.answer(callout, 403, &[], b"no\n")?,
            _ => host.answer(callout, 200, &[], body.as_bytes())?,
        }
    }
    let open = host.has_open(stream);
    assert!(!open, "{path} waits");
    host.forget(stream);
    Ok(callout.is_some())
}

struct Life {
    misses: u64,
    /// The linear memory after the first half and at the end.
    half: usize,
    end: usize,
}

fn live(requests: u64, keys: impl Fn(u64) -> u64) -> Result<Life, StrictHostError> {
    let mut host = Host::new(&configuration())?;
    let (mut misses, mut half) = (0, 0);
    for number in 0..requests {
        misses += u64::from(ask(&mut host, keys(number))?);
        if number % 1000 == 0 {
            host.advance(std::time::Duration::from_millis(100))?;
        }
        if number == requests / 2 {
            half = host.memory_bytes(0);
        }
    }
    let end = host.memory_bytes(0);
    host.check()?;
    let (queues, messages) = host.queues();
    assert!(
        queues <= 2 && messages == 0,
        "{queues} queues, {messages} messages"
    );
    let (keys, _) = host.shared_data();
    // 4096 flights, the slots of 32 MiB (4096 small, 256 large), the size, and 256 reports.
    assert!(keys <= 8705, "{keys} keys in the shared data");
    assert!(
        host.metrics().len() < 300,
        "{} metrics",
        host.metrics().len()
    );
    Ok(Life { misses, half, end })
}

#[test]
fn eight_hundred_thousand_requests_for_a_few_keys_do_not_grow_it() -> Outcome {
    let life = live(800_000, |number| number * 7919 % 1000)?;
    assert!(life.misses < 400_000, "{} misses", life.misses);
    assert!(
        life.end <= BUDGET,
        "{} bytes, and {BUDGET} are allowed",
        life.end
    );
    assert_eq!(life.end, life.half, "it grew in the second half");
    Ok(())
}

#[test]
fn two_hundred_thousand_keys_do_not_outgrow_the_cache() -> Outcome {
    let life = live(200_000, |number| number)?;
    assert_eq!(life.misses, 200_000);
    assert!(
        life.end <= BUDGET,
        "{} bytes, and {BUDGET} are allowed",
        life.end
    );
    assert!(
        life.end <= life.half + (1 << 20),
        "from {} to {} bytes in the second half",
        life.half,
        life.end
    );
    Ok(())
}
