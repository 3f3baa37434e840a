//! Who downloaded what: successes, folded for each minute, where it is asked for.

use serde_json::{Value, json};

use crate::station::{A_WINDOW, Station, await_records};

const PATHS: [(&str, &str, usize); 3] = [
    ("/example.com/a/@v/v1.0.0.mod", "mod", 3),
    ("/example.com/tenk/@v/v1.0.0.zip", "zip", 2),
    ("/example.com/Upper/@v/list", "", 0),
];

fn download(station: &Station) {
    for (path, _, times) in PATHS {
        for _ in 0..times {
            assert_eq!(station.get(path).status, 200, "{path}");
        }
    }
}

pub fn downloads_are_counted_by_module_version_and_kind() {
    let station = Station::start(json!({"audit": true}));
    download(&station);
    // A failure is told as ever, and does not wait for the minute's end.
    station.get("/example.com/no/@v/v1.0.0.zip");
    let failure = station.await_module("example.com/no");
    assert_eq!(failure["event_type"], "module_download_failure");
    let count = |records: &[Value], kind: &str| -> u64 {
        let of = |record: &&Value| {
            record["event_type"] == "module_download" && record["module"]["kind"] == kind
        };
        let counts = records.iter().filter(of);
        counts
            .map(|record| record["count"].as_u64().expect("a number"))
            .sum()
    };
    let gateway = &station.world.gateway;
    let records = await_records(gateway, A_WINDOW, "five downloads", |records| {
        count(records, "mod") + count(records, "zip") >= 5
    });
    assert_eq!((count(&records, "mod"), count(&records, "zip")), (3, 2));
    for record in records
        .iter()
        .filter(|record| record["event_type"] == "module_download")
    {
        assert_eq!(record["identity"], "", "{record}");
        assert_eq!(record["context"]["pod_uid"], "4fe1a6f2", "{record}");
        assert_eq!(record["module"]["version"], "v1.0.0", "{record}");
    }
    // Folded: five downloads are not five records.
    assert!(records.len() <= 5, "{records:#?}");
}

pub fn unless_it_is_asked_for_a_download_leaves_no_record() {
    let station = Station::start(json!({}));
    download(&station);
    // By then it would have been told: records are told in their order once the minute is over.
    for _ in 0..2 {
        station.get("/example.com/no/@v/v1.0.0.zip");
    }
    let records = await_records(&station.world.gateway, A_WINDOW, "the minute", |records| {
        records.len() == 2
    });
    let is_failure = |record: &Value| record["event_type"] == "module_download_failure";
    assert!(records.iter().all(is_failure), "{records:#?}");
}
