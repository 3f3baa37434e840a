//! The page as JSON, for scripts.

use goproxy_event::json::Reader;

use crate::markup::{number, string};
use crate::summary::{OPERATIONS, RESULTS, TIERS, answers, last_hour, sum};
use crate::when::moment;
use crate::{About, Place, Report, Timestamp};

/// JSON as it is written: a comma before whatever does not come first.
struct Json(String);

impl Json {
    fn open(&mut self, bracket: char) {
        self.separate();
        self.0.push(bracket);
    }

    fn close(&mut self, bracket: char) {
        self.0.push(bracket);
    }

    fn separate(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with(['{', '[', ':']) {
            self.0.push(',');
        }
    }

    fn key(&mut self, key: &str) {
        self.separate();
        string(&mut self.0, key);
        self.0.push(':');
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        string(&mut self.0, value);
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        number(&mut self.0, value);
    }

    fn moment(&mut self, key: &str, at: Timestamp) {
        self.key(key);
        self.0.push('"');
        moment(&mut self.0, at);
        self.0.push('"');
    }

    fn place(&mut self, place: &Place) {
        self.open('{');
        self.text("name", &place.name);
        self.text("state", if place.aside == 0 { "well" } else { "aside" });
        self.number("aside_workers", place.aside.into());
        self.moment("since", place.since);
        self.close('}');
    }
}

/// The whole text.
// As `page`.
#[inline(never)]
pub fn status(report: &Report, about: &About<'_>) -> String {
    let mut json = Json(String::with_capacity(4096));
    json.open('{');
    json.text("version", about.version);
    json.text("config_digest", &report.digest);
    json.number("workers", report.workers.into());
    json.moment("since", report.since);
    json.moment("at", about.now);
    json.text("goproxy", &about.setup.address);
    numbers(&mut json, report, about.now);
    json.key("upstreams");
    json.open('[');
    for place in &report.upstreams {
        json.place(place);
    }
    json.close(']');
    json.key("redis");
    match &report.redis {
        Some(place) => json.place(place),
        None => json.0.push_str("null"),
    }
    minutes(&mut json, report);
    failures(&mut json, report);
    json.close('}');
    json.0.push('\n');
    json.0
}

fn numbers(json: &mut Json, report: &Report, now: Timestamp) {
    let hour = last_hour(report, now);
    json.key("last_hour");
    json.open('{');
    json.number("requests", hour.requests);
    json.number("hits", hour.hits);
    json.number("failures", hour.failures);
    json.close('}');
    json.key("requests");
    json.open('{');
    for result in RESULTS {
        json.number(result, answers(report, result));
    }
    json.close('}');
    json.key("cache");
    json.open('{');
    for tier in TIERS {
        json.key(tier);
        json.open('{');
        for operation in OPERATIONS {
            let labels = [("tier", tier), ("result", operation)];
            json.number(operation, sum(report, "cache_operations_total", &labels));
        }
        json.close('}');
    }
    json.close('}');
}

fn minutes(json: &mut Json, report: &Report) {
    json.key("minutes");
    json.open('[');
    for one in &report.minutes {
        json.open('{');
        json.moment(
            "at",
            Timestamp::from_millis(one.minute.saturating_mul(60_000)),
        );
        json.number("requests", one.requests);
        json.number("hits", one.hits);
        json.number("failures", one.failures);
        json.close('}');
    }
    json.close(']');
}

/// The events as they are, since they are JSON already.
fn failures(json: &mut Json, report: &Report) {
    json.key("failures");
    json.open('[');
    for line in &report.failures {
        let mut reader = Reader::new(line.as_bytes());
        let is_object = reader.peek() == Some(b'{');
        // What is no JSON, wherever it came from, would break the whole document.
        if is_object && reader.skip().and_then(|()| reader.end()).is_some() {
            json.separate();
            json.0.push_str(line);
        }
    }
    json.close(']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Setup;
    use crate::testing::{NOW, busy, failure_line, test};

    fn read(report: &Report) -> serde_json::Value {
        let setup = Setup {
            address: "http://gw\"\\".to_owned(),
            databases: Vec::new(),
            patterns: vec!["*"],
        };
        let about = About {
            version: "1.2.3",
            setup: &setup,
            base_path: "",
            now: NOW,
        };
        serde_json::from_str(&status(report, &about)).unwrap()
    }

    #[test]
    fn it_says_what_the_page_says() {
        let json = read(&busy());
        assert_eq!(json["version"], "1.2.3");
        assert_eq!(json["config_digest"], "0123456789abcdef");
        assert_eq!(json["workers"], 2);
        assert_eq!(json["since"], "2023-11-14T20:13:20Z");
        assert_eq!(json["at"], "2023-11-14T22:13:20Z");
        assert_eq!(json["goproxy"], "http://gw\"\\");
        assert_eq!(json["last_hour"]["failures"], 25);
        assert_eq!(json["requests"]["hit"], 8_900);
        assert_eq!(json["requests"]["gone"], 0);
        assert_eq!(json["cache"]["redis"]["failed"], 7);
        assert_eq!(json["cache"]["shared"]["hit"], 0);
        assert_eq!(json["upstreams"][0]["state"], "well");
        assert_eq!(json["upstreams"][1]["state"], "aside");
        assert_eq!(json["upstreams"][1]["aside_workers"], 2);
        assert_eq!(json["redis"]["name"], "redis");
        assert_eq!(json["minutes"].as_array().unwrap().len(), 60);
        assert_eq!(json["minutes"][59]["at"], "2023-11-14T22:13:00Z");
        assert_eq!(json["failures"][0]["module"]["name"], "example.com/M");
    }

    #[test]
    fn it_is_json_when_there_is_nothing_and_when_there_is_nonsense() {
        let empty = read(&Report::default());
        assert_eq!(empty["redis"], serde_json::Value::Null);
        assert_eq!(empty["failures"], serde_json::json!([]));
        let hostile = failure_line("a\"]}</script>\\", "v1\u{202e}", "x");
        let failures = ["", "{", "[]", "1", "{} {}", "null", &hostile];
        let nonsense = Report {
            digest: "\"\n\\".to_owned(),
            failures: failures.map(Into::into).into(),
            ..busy()
        };
        let json = read(&nonsense);
        assert_eq!(json["failures"].as_array().unwrap().len(), 1);
        assert_eq!(json["failures"][0]["module"]["name"], "a\"]}</script>\\");
    }
}
