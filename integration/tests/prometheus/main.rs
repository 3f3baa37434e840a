//! Rules, dashboard and the page about them, with a real promtool, and a real Prometheus that scraped a real gateway.

mod dashboard;
mod files;
mod page;
mod rules;
mod selectors;
