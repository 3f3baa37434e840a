//! Rules, dashboard and the page about them, with a real promtool, and a real Prometheus that scraped a real gateway.

#[path = "../shared/mortal.rs"]
mod mortal;
#[path = "../world/mod.rs"]
mod world;

mod dashboard;
mod exporters;
mod files;
mod page;
mod rules;
mod scraped;
mod scraping;
mod selectors;
mod server;
