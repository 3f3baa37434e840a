//! The page for a person: one document that needs nothing else and runs nothing.

use crate::chart::chart;
use crate::failure::{Failure, Field};
use crate::markup::{grouped, number, path, percent, share, text};
use crate::summary::{RESULTS, TIERS, answers, has, last_hour, sum};
use crate::when::{moment, span};
use crate::{About, Place, Report, Timestamp};

/// What a browser may do with the page: show it, in the style that it brings along, and nothing else. The hash is the
/// style's (CSP Level 3, section 2.3.1).
pub const POLICY: &str = "default-src 'none'; style-src 'sha256-oFmMTyWj/2dwKt3iCbMk3rOa9fO24ealiSdS10OMhhg='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("style.css");

/// The whole document.
// Within its only caller it would be built as that is: for speed.
#[inline(never)]
pub fn page(report: &Report, about: &About<'_>) -> String {
    let mut page = Page {
        html: String::with_capacity(24 * 1024),
        report,
        about,
    };
    page.head();
    page.greeting();
    page.setup();
    page.hour();
    page.raw("<div class=\"grid\">");
    page.places();
    page.caches();
    page.answers();
    page.raw("</div>");
    page.failures();
    page.foot();
    page.html
}

struct Page<'a> {
    html: String,
    report: &'a Report,
    about: &'a About<'a>,
}

impl Page<'_> {
    /// Markup of our own.
    fn raw(&mut self, markup: &str) {
        self.html.push_str(markup);
    }

    /// Any text.
    fn text(&mut self, text: &str) {
        self::text(&mut self.html, text);
    }

    fn grouped(&mut self, number: u64) {
        grouped(&mut self.html, number);
    }

    /// How long ago it was, and when.
    fn ago(&mut self, at: Timestamp) {
        self.raw("<time title=\"");
        self.moment(at);
        self.raw("\">");
        span(&mut self.html, self.about.now.seconds_since(at));
        self.raw("</time>");
    }

    fn moment(&mut self, at: Timestamp) {
        let mut text = String::with_capacity(24);
        moment(&mut text, at);
        self.clock(&text);
    }

    /// A moment as JSON has it, for people: `2024-06-15 08:22:31 UTC`.
    fn clock(&mut self, timestamp: &str) {
        match (timestamp.get(..10), timestamp.get(11..19)) {
            (Some(day), Some(time)) => {
                self.text(day);
                self.raw(" ");
                self.text(time);
                self.raw(" UTC");
            }
            _ => self.text(timestamp),
        }
    }

    fn head(&mut self) {
        self.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>Go module proxy at ");
        self.text(&self.about.setup.address);
        self.raw("</title><style>");
        self.raw(STYLE);
        self.raw("</style></head><body><main>");
    }

    fn greeting(&mut self) {
        self.raw("<header><h1>Go module proxy</h1><p class=\"lead\">This gateway answers <code>go mod download</code>: it asks the right upstream once for many builds, checks what it gets, remembers it, and tells <code>go</code> in words why something failed.</p>");
        self.state();
        self.raw("</header>");
    }

    /// How it is, in one sentence.
    fn state(&mut self) {
        let redis = self.report.redis.as_ref().filter(|one| one.aside > 0);
        let upstreams = self.report.upstreams.iter();
        let aside = upstreams.filter(|one| one.aside > 0).count();
        if self.report.workers == 0 {
            return self.raw("<p class=\"state dot warn\">No worker has told of itself yet</p>");
        }
        if aside == 0 && redis.is_none() {
            return self.raw("<p class=\"state dot well\">All upstreams are well</p>");
        }
        self.raw("<p class=\"state dot warn\">");
        if aside > 0 {
            self.grouped(u64::try_from(aside).unwrap_or(u64::MAX));
            self.raw(if aside == 1 {
                " upstream is"
            } else {
                " upstreams are"
            });
            self.raw(" left alone, since requests failed");
        }
        if redis.is_some() {
            self.raw(if aside > 0 {
                "; so is Redis"
            } else {
                "Redis is left alone, since requests failed"
            });
        }
        self.raw("</p>");
    }

    fn setup(&mut self) {
        self.raw("<section><h2>Set up go</h2><pre>");
        let lines = self.about.setup.lines();
        let (command, comments) = lines.split_once('\n').unwrap_or((&lines, ""));
        self.raw("<b>");
        self.text(command);
        self.raw("</b>\n<span class=\"dim\">");
        self.text(comments.trim_end());
        self.raw("</span></pre></section>");
    }

    fn hour(&mut self) {
        let hour = last_hour(self.report, self.about.now);
        self.raw("<section class=\"chart\"><h2>The last hour</h2><dl><div><dt>Requests</dt><dd>");
        self.grouped(hour.requests);
        self.raw("</dd></div><div><dt>Cached</dt><dd>");
        match hour.requests {
            0 => self.raw("\u{2013}"),
            all => percent(&mut self.html, hour.hits.min(all), all),
        }
        self.raw("</dd></div><div><dt>Errors</dt><dd");
        self.raw(if hour.failures > 0 {
            " class=\"bad\">"
        } else {
            ">"
        });
        self.grouped(hour.failures);
        self.raw("</dd></div></dl>");
        if hour.requests == 0 {
            return self.raw("<p class=\"dim\">No request in this time.</p></section>");
        }
        chart(&mut self.html, self.report, self.about.now);
        self.raw("<p class=\"key\"><span class=\"k2\">from a cache</span><span class=\"k1\">other requests</span><span class=\"k3\">errors</span></p></section>");
    }

    fn places(&mut self) {
        self.raw("<section><h2>Upstreams</h2>");
        let report = self.report;
        self.table("None is told of yet.", |page| {
            for place in &report.upstreams {
                page.place(place, "");
            }
            if let Some(redis) = &report.redis {
                page.place(redis, " (cache)");
            }
        });
    }

    /// A table, or a sentence where it has no row; and the end of its section.
    fn table(&mut self, empty: &str, rows: impl FnOnce(&mut Self)) {
        let before = self.html.len();
        self.raw("<table>");
        let start = self.html.len();
        rows(self);
        if self.html.len() > start {
            return self.raw("</table></section>");
        }
        self.html.truncate(before);
        self.raw("<p class=\"dim\">");
        self.raw(empty);
        self.raw("</p></section>");
    }

    fn place(&mut self, place: &Place, what: &str) {
        self.raw("<tr><td>");
        self.text(&place.name);
        self.raw("<span class=\"dim\">");
        self.raw(what);
        self.raw("</span></td><td>");
        if place.aside == 0 {
            self.raw("<span class=\"dot well\">well</span>");
        } else {
            self.raw("<span class=\"dot warn\">left alone");
            if place.aside < self.report.workers {
                self.raw(" by ");
                number(&mut self.html, place.aside.into());
                self.raw(" of ");
                number(&mut self.html, self.report.workers.into());
            }
            self.raw("</span>");
        }
        self.raw("<span class=\"more\">for ");
        self.ago(place.since);
        self.raw("</span></td></tr>");
    }

    fn caches(&mut self) {
        self.raw("<section><h2>Hits by cache</h2>");
        let before = self.html.len();
        for tier in TIERS {
            let of = |result| {
                let labels = [("tier", tier), ("result", result)];
                sum(self.report, "cache_operations_total", &labels)
            };
            let (hits, misses) = (of("hit"), of("miss"));
            let asked = hits.saturating_add(misses);
            // What is not configured is never asked.
            if asked > 0 {
                self.tier(tier, hits, asked);
            }
        }
        if self.html.len() == before {
            self.raw("<p class=\"dim\">No cache has been asked yet.</p>");
        }
        self.raw("</section>");
    }

    fn tier(&mut self, tier: &str, hits: u64, asked: u64) {
        self.raw("<div class=\"tier\"><p><span>");
        self.raw(tier);
        self.raw("</span><span>");
        percent(&mut self.html, hits, asked);
        self.raw("</span></p><svg aria-hidden=\"true\"><rect class=\"all\" width=\"100%\" height=\"100%\"/><rect class=\"hits\" width=\"");
        let tenths = share(hits, asked, 1000);
        number(&mut self.html, tenths / 10);
        self.raw(".");
        number(&mut self.html, tenths % 10);
        self.raw("%\" height=\"100%\"/></svg><p class=\"more\"><span>");
        self.grouped(hits);
        self.raw(" of ");
        self.grouped(asked);
        self.raw("</span><span>");
        let held = [("tier", tier)];
        if has(self.report, "cache_entries", &held) {
            self.grouped(sum(self.report, "cache_entries", &held));
            self.raw(" held, ");
            let kib = sum(self.report, "cache_bytes", &held) / 1024;
            let (size, unit) = if kib < 1024 {
                (kib, " KiB")
            } else {
                (kib / 1024, " MiB")
            };
            self.grouped(size);
            self.raw(unit);
        }
        self.raw("</span></p></div>");
    }

    fn answers(&mut self) {
        self.raw("<section><h2>Answers</h2>");
        self.table("None yet.", |page| {
            for (result, words) in RESULTS.iter().zip(WORDS) {
                let count = answers(page.report, result);
                if count > 0 {
                    page.raw("<tr><td>");
                    page.raw(words);
                    page.raw("</td><td>");
                    page.grouped(count);
                    page.raw("</td></tr>");
                }
            }
        });
    }

    fn failures(&mut self) {
        self.raw("<section><h2>Last failed downloads</h2>");
        let report = self.report;
        let failures = report
            .failures
            .iter()
            .filter_map(|line| Failure::read(line));
        let before = self.html.len();
        self.raw("<ol>");
        let start = self.html.len();
        for failure in failures {
            self.failure(&failure);
        }
        if self.html.len() == start {
            self.html.truncate(before);
            self.raw("<p class=\"dim\">None is told of since ");
            self.moment(report.since);
            self.raw(".</p>");
        } else {
            self.raw("</ol>");
        }
        self.raw("</section>");
    }

    fn failure(&mut self, failure: &Failure) {
        let [module, version, code, error] =
            [Field::Module, Field::Version, Field::Code, Field::Error]
                .map(|field| failure.get(field));
        self.raw("<li><div class=\"what\"><b class=\"mono\">");
        self.text(module);
        self.detail("@", version, "");
        self.raw("</b><span class=\"more\">");
        self.clock(failure.get(Field::Timestamp));
        self.raw("</span></div><p><span class=\"bad\">");
        self.text(code);
        if error != code {
            self.detail(" ", error, "");
        }
        self.raw("</span> ");
        self.text(failure.get(Field::Message));
        self.raw("</p><p class=\"more\">");
        for (field, before, after) in DETAILS {
            let value = failure.get(field);
            if value != "0" {
                self.detail(before, value, after);
            }
        }
        // What is not ASCII was cut, or is no module's path.
        if let Some(asked) = failure.path().filter(|path| path.is_ascii()) {
            self.raw(" \u{b7} <a href=\"");
            self.link("explain?path=");
            path(&mut self.html, &asked);
            self.raw("\">explain</a>");
        }
        self.raw("</p></li>");
    }

    fn detail(&mut self, before: &str, value: &str, after: &str) {
        if !value.is_empty() {
            self.raw(before);
            self.text(value);
            self.raw(after);
        }
    }

    /// The path of another page.
    fn link(&mut self, page: &str) {
        path(&mut self.html, self.about.base_path);
        self.raw("/-/");
        self.raw(page);
    }

    fn foot(&mut self) {
        self.raw("<footer><p>goproxy-wasm ");
        self.text(self.about.version);
        self.raw(" \u{b7} configuration <span class=\"mono\">");
        self.text(&self.report.digest);
        self.raw("</span> \u{b7} ");
        number(&mut self.html, self.report.workers.into());
        self.raw(if self.report.workers == 1 {
            " worker"
        } else {
            " workers"
        });
        self.raw(" \u{b7} counted for ");
        self.ago(self.report.since);
        self.raw(" \u{b7} made at ");
        self.moment(self.about.now);
        self.raw("</p><p>");
        for (page, words) in [
            ("status", "as JSON"),
            ("metrics", "metrics"),
            ("env", "set up go"),
        ] {
            self.raw("<a href=\"");
            self.link(page);
            self.raw("\">");
            self.raw(words);
            self.raw("</a> \u{b7} ");
        }
        self.raw("<span class=\"mono\">/-/explain?path=</span> says how one request would go</p></footer></main></body></html>\n");
    }
}

/// What is said of a failure in small letters, and how. What is 0 is not.
const DETAILS: [(Field, &str, &str); 6] = [
    (Field::Kind, "", ""),
    (Field::Upstream, " from ", ""),
    (Field::DurationMillis, " \u{b7} after ", " ms"),
    (Field::RetryCount, " \u{b7} asked again ", " times"),
    (Field::Suppressed, " \u{b7} and ", " more like it"),
    (Field::RequestId, " \u{b7} request ", ""),
];

/// What a result is called, in the order of [`RESULTS`].
const WORDS: [&str; RESULTS.len()] = [
    "from a cache",
    "from a cache, no longer fresh",
    "from an upstream",
    "not found",
    "denied",
    "no request for a module",
    "redirected",
    "error",
    "client left first",
];

#[cfg(test)]
#[path = "html_tests.rs"]
mod tests;
