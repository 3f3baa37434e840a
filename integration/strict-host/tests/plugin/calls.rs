//! What each path of a request costs in host calls, asserted, shown, and written to `target/strict/host-calls.json` for the
//! benchmarks. Each call that returns bytes costs about a microsecond on Envoy, any other a tenth of that, and an entry into
//! the VM 0.9.

use std::path::Path;

use goproxy_strict_host::{Fate, Host, ListenerHandle, StrictHostError, Tally, fields};

use crate::support::{BODY, CONFIGURATION, MOD, Outcome, ZIP, answer, forwarded, get, reply};

/// A path, how many host calls it may take, and what one request on it took.
struct Cost {
    path: &'static str,
    most: u64,
    tally: Tally,
}

/// A host that has seen requests before: what is set up once is set up.
fn warm() -> Result<Host, StrictHostError> {
    let mut host = Host::new(CONFIGURATION)?;
    for (path, status, body) in [
        (MOD, 200, BODY),
        ("/example.com/no/@v/list", 404, "not found\n"),
    ] {
        get(&mut host, path)?;
        answer(&mut host, status, body)?;
    }
    host.tick()?;
    Ok(host)
}

fn cost(
    path: &'static str,
    most: u64,
    act: impl FnOnce(&mut Host) -> Outcome,
) -> Result<Cost, StrictHostError> {
    let mut host = warm()?;
    let before = host.tally();
    act(&mut host)?;
    host.check()?;
    Ok(Cost {
        path,
        most,
        tally: host.tally().since(&before),
    })
}

fn hit(
    path: &'static str,
    status: u16,
    sent: &'static [(&str, &str)],
) -> impl FnOnce(&mut Host) -> Outcome {
    move |host| {
        let stream = host.request("GET", path, &fields(sent))?;
        assert_eq!(reply(host, stream).status, status, "{path}");
        assert_eq!(host.callouts_out(), 0, "{path} is no hit");
        Ok(())
    }
}

fn etag(host: &mut Host) -> Result<String, StrictHostError> {
    let stream = get(host, MOD)?;
    Ok(reply(host, stream)
        .field("etag")
        .expect("an answer has an ETag")
        .to_owned())
}

fn not_modified() -> Result<Cost, StrictHostError> {
    let mut host = warm()?;
    let etag = etag(&mut host)?;
    let before = host.tally();
    let stream = host.request("GET", MOD, &fields(&[("if-none-match", &etag)]))?;
    assert_eq!(reply(&host, stream).status, 304);
    Ok(Cost {
        path: "hit_not_modified",
        most: 8,
        tally: host.tally().since(&before),
    })
}

fn miss(host: &mut Host) -> Outcome {
    let stream = get(host, "/example.com/a/@v/v1.1.0.mod")?;
    answer(host, 200, BODY)?;
    assert_eq!(reply(host, stream).status, 200);
    Ok(())
}

fn forward(host: &mut Host) -> Outcome {
    let stream = get(host, ZIP)?;
    assert_eq!(forwarded(host, stream).cluster, "up");
    let head = fields(&[
        ("content-type", "application/zip"),
        ("content-length", "300"),
    ]);
    host.upstream_head(stream, 200, &head, false)?;
    let mut archive = b"PK\x03\x04".to_vec();
    archive.resize(300, 7);
    host.upstream_body(stream, &archive, true)?;
    assert_eq!(reply(host, stream).status, 200);
    Ok(())
}

/// One of many who wait on a flight: what is done for it and for nobody else.
fn waiter() -> Result<Cost, StrictHostError> {
    let mut host = warm()?;
    let path = "/example.com/a/@v/v1.1.0.mod";
    get(&mut host, path)?;
    let waiters: Vec<_> = (0..100)
        .map(|_| get(&mut host, path))
        .collect::<Result<_, _>>()?;
    answer(&mut host, 200, BODY)?;
    for stream in &waiters {
        assert!(matches!(host.fate(*stream), Fate::Replied(_)));
    }
    host.check()?;
    let tallies: Vec<Tally> = waiters
        .iter()
        .map(|stream| host.tally_of(*stream))
        .collect();
    let tally = tallies
        .into_iter()
        .max_by_key(Tally::total)
        .unwrap_or_default();
    Ok(Cost {
        path: "waiter",
        most: 8,
        tally,
    })
}

/// A worker with nothing to do.
fn idle_tick() -> Result<Cost, StrictHostError> {
    let mut host = warm()?;
    host.tick()?;
    let before = host.tally();
    host.tick()?;
    Ok(Cost {
        path: "idle_tick",
        most: 4,
        tally: host.tally().since(&before),
    })
}

fn write(costs: &[Cost]) {
    let paths = costs.iter().map(|cost| {
        let tally = &cost.tally;
        let entry = serde_json::json!({
            "host_calls": tally.total(), "most": cost.most, "entries": tally.entries, "bytes_in": tally.bytes_in,
            "bytes_out": tally.bytes_out, "instructions": tally.instructions, "calls": tally.calls,
        });
        (cost.path.to_owned(), entry)
    });
    let report = serde_json::Value::Object(paths.collect());
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("target/tmp is in target");
    let file = target.join("strict").join("host-calls.json");
    std::fs::create_dir_all(target.join("strict")).expect("target/strict can be made");
    let text = serde_json::to_string_pretty(&report).expect("a report of numbers");
    std::fs::write(&file, text + "\n")
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

#[test]
fn every_path_keeps_to_its_budget_of_host_calls() -> Outcome {
    let no_such: &str = "/example.com/no/@v/list";
    let costs = [
        cost("hit", 8, hit(MOD, 200, &[]))?,
        cost("hit_not_found", 8, hit(no_such, 404, &[]))?,
        not_modified()?,
        cost("refusal", 8, hit("/example.com/a/@v/%zz", 400, &[]))?,
        cost("probe", 8, hit("/-/readyz", 200, &[]))?,
        // Eleven of them are for the other workers: the slots are looked at, a lease is taken, the entry is put and the
        // lease ended.
        cost("miss", 28, miss)?,
        waiter()?,
        cost("forward", 16, forward)?,
        idle_tick()?,
    ];
    println!(
        "{:<18} {:>5} {:>5} {:>8} {:>7} {:>7} {:>13}",
        "path", "calls", "most", "entries", "B in", "B out", "instructions"
    );
    for Cost { path, most, tally } in &costs {
        println!(
            "{path:<18} {:>5} {most:>5} {:>8} {:>7} {:>7} {:>13}",
            tally.total(),
            tally.entries,
            tally.bytes_in,
            tally.bytes_out,
            tally.instructions
        );
        for (name, count) in &tally.calls {
            println!("{:<20}{count} {name}", "");
        }
    }
    write(&costs);
    for Cost { path, most, tally } in &costs {
        assert!(
            tally.total() <= *most,
            "{path}: at most {most} host calls, got {tally}"
        );
        assert!(
            tally.total() > 0 || *path == "idle_tick",
            "{path}: nothing was counted"
        );
    }
    Ok(())
}

#[test]
fn a_request_that_is_not_ours_costs_two_calls_at_most() -> Outcome {
    let configuration =
        CONFIGURATION.replacen('{', r#"{"serve": {"hosts": ["other.example"]},"#, 1);
    let mut host = Host::new(&configuration)?;
    get(&mut host, "/warm")?;
    let before = host.tally();
    let stream = host.request_on(ListenerHandle::FIRST, 0, "GET", "/anything", &[], true)?;
    assert_eq!(reply(&host, stream).details, "direct_response");
    let tally = host.tally().since(&before);
    assert!(tally.total() <= 2, "{tally}");
    Ok(())
}
