//! Requests and failures of the last hour as a picture: three paths, whatever the numbers are.

use crate::markup::{grouped, number, share};
use crate::summary::LAST_HOUR;
use crate::{Minute, Report, Timestamp};

/// How wide a minute is, and the gap behind it.
const STEP: u64 = 10;
const BAR: u64 = 8;
/// How high the highest is.
const HEIGHT: u64 = 120;

/// Appends the chart.
pub(crate) fn chart(html: &mut String, report: &Report, now: Timestamp) {
    let this_minute = now.as_millis() / 60_000;
    let shown = report.minutes.iter().filter_map(|one| {
        let ago = this_minute.saturating_sub(one.minute);
        let place = LAST_HOUR.checked_sub(ago.saturating_add(1))?;
        Some((place, *one))
    });
    let shown: Vec<(u64, Minute)> = shown.collect();
    let most = shown
        .iter()
        .map(|(_, one)| one.requests)
        .max()
        .unwrap_or_default();
    html.push_str("<svg viewBox=\"0 0 ");
    number(html, LAST_HOUR.saturating_mul(STEP));
    html.push(' ');
    number(html, HEIGHT);
    html.push_str("\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Requests of each minute, at most ");
    grouped(html, most);
    html.push_str("\">");
    for (class, of) in [
        ("all", Minute::requests_of as fn(&Minute) -> u64),
        ("hits", Minute::hits_of),
        ("fail", Minute::failures_of),
    ] {
        html.push_str("<path class=\"");
        html.push_str(class);
        html.push_str("\" d=\"");
        for (place, one) in &shown {
            bar(html, *place, share(of(one), most, HEIGHT));
        }
        html.push_str("\"/>");
    }
    html.push_str("</svg><p class=\"axis\"><span>60 min ago</span><span>at most ");
    grouped(html, most);
    html.push_str(" a minute</span><span>now</span></p>");
}

/// A bar from the ground, nothing where there is nothing. What is seldom is still seen.
fn bar(path: &mut String, place: u64, height: u64) {
    if height == 0 {
        return;
    }
    let height = height.max(3);
    for (command, value) in [
        ('M', place.saturating_mul(STEP)),
        (' ', HEIGHT),
        ('V', HEIGHT.saturating_sub(height)),
        ('h', BAR),
        ('V', HEIGHT),
    ] {
        path.push(command);
        number(path, value);
    }
    path.push('z');
}

impl Minute {
    const fn requests_of(&self) -> u64 {
        self.requests
    }

    /// What was counted by two hands at the end of a minute may not fit: nothing is higher than the whole.
    fn hits_of(&self) -> u64 {
        self.hits.min(self.requests)
    }

    fn failures_of(&self) -> u64 {
        self.failures.min(self.requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, busy, test};

    fn drawn(minutes: Vec<Minute>) -> String {
        let mut html = String::new();
        let report = Report { minutes, ..busy() };
        chart(&mut html, &report, NOW);
        html
    }

    fn minute(ago: u64, requests: u64, failures: u64) -> Minute {
        Minute {
            minute: NOW.as_millis() / 60_000 - ago,
            requests,
            hits: 0,
            failures,
        }
    }

    #[test]
    fn an_hour_without_a_request_has_no_bar() {
        let html = drawn(Vec::new());
        assert!(
            !html.contains('M') && html.contains("at most 0 a minute"),
            "{html}"
        );
    }

    #[test]
    fn the_highest_bar_is_as_high_as_the_chart_and_a_small_one_is_seen() {
        let html = drawn(vec![minute(59, 1, 0), minute(0, 1_000_000, 1)]);
        assert!(
            html.contains("class=\"all\" d=\"M0 120V117h8V120zM590 120V0h8V120z\""),
            "{html}"
        );
        assert!(
            html.contains("class=\"fail\" d=\"M590 120V117h8V120z\""),
            "{html}"
        );
    }

    #[test]
    fn what_is_older_than_an_hour_or_not_yet_there_is_within_the_picture() {
        let html = drawn(vec![minute(60, 5, 0), minute(0, 5, 9)]);
        assert!(
            !html.contains("M-") && html.contains("\"fail\" d=\"M590 120V0h8"),
            "{html}"
        );
        let ahead = Minute {
            minute: u64::MAX,
            ..minute(0, 5, 0)
        };
        assert!(drawn(vec![ahead]).contains("M590 "));
    }
}
