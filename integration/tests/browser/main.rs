//! The page in a real browser: nothing runs on it and nothing is asked of anybody else, whatever was said of failed downloads;
//! and it is readable, on a phone too.

#[path = "../world/mod.rs"]
mod world;

mod chromium;

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::chromium::Browser;
use crate::world::{World, eventually, h1};

/// What would show that it was read as markup: a title, a request to another host.
const HOSTILE: &str = "<script>document.title='taken'</script><img src=http://evil.example/x onerror=\"document.title='taken'\"><svg onload=document.title='taken'></svg>";

/// A gateway of whose failures one has hostile words.
fn with_a_failure() -> World {
    let world = World::with(|gateway, _| gateway.workers(2));
    let fault = world.fault(
        "/example.com/a/@v/v1.9.9.*",
        "status",
        json!({"status": 404, "body": HOSTILE, "headers": {"Content-Type": "text/plain"}}),
    );
    assert_eq!(world.get("/example.com/a/@v/v1.9.9.zip").status, 404);
    fault.release();
    eventually("the failure is on the page", || {
        world.get("/").text().contains("example.com/a@v1.9.9")
    });
    world
}

fn url(world: &World) -> String {
    format!("http://{}/", world.addr())
}

/// The text of the document's title.
fn title(dom: &str) -> &str {
    let rest = dom.split_once("<title>").map_or("", |(_, rest)| rest);
    rest.split_once("</title>").map_or("", |(title, _)| title)
}

#[test]
fn nothing_runs_and_nobody_else_is_asked_even_under_load() {
    let (world, browser) = (with_a_failure(), Browser::new());
    let done = AtomicBool::new(false);
    let shown = std::thread::scope(|scope| {
        for worker in 1..3 {
            let (world, done) = (&world, &done);
            scope.spawn(move || {
                let mut connection = h1::Connection::open(world.addr());
                let mut number = 0_u32;
                while !done.load(Ordering::Relaxed) {
                    number += 1;
                    // None of them is a failed download: the one that is must stay among the last.
                    let path = match number % 2 {
                        0 => format!(
                            "/bench.example/n{}/@v/v1.0.0.mod",
                            1_000_000 * worker + number
                        ),
                        _ => "/example.com/a/@v/list".to_owned(),
                    };
                    connection.ask(&path, &[]);
                    connection.answer(false).expect("an answer");
                }
            });
        }
        let shown = browser.open(&url(&world));
        done.store(true, Ordering::Relaxed);
        shown
    });
    assert_eq!(
        title(&shown.dom),
        format!("Go module proxy at http://{}", world.addr())
    );
    assert!(
        shown
            .dom
            .contains("&lt;script&gt;document.title='taken'&lt;/script&gt;"),
        "{}",
        shown.dom
    );
    assert!(
        !shown.dom.contains("<script") && !shown.dom.contains("<img"),
        "{}",
        shown.dom
    );
    let own = url(&world);
    // A browser looks for an icon by itself.
    let icon = [&own, "favicon.ico"].concat();
    assert!(shown.requests.contains(&own), "{:?}", shown.requests);
    let evil: Vec<_> = shown
        .requests
        .iter()
        .filter(|one| one.contains("evil.example"))
        .collect();
    assert!(evil.is_empty(), "{evil:?}");
    let gateway: Vec<_> = shown
        .requests
        .iter()
        .filter(|one| one.starts_with(&own))
        .collect();
    assert!(
        gateway.iter().all(|one| **one == own || **one == icon),
        "{gateway:?}"
    );
    world.assert_unharmed("a browser");
}

/// That the test above can fail: the same words as markup, on a page without a policy, do run and do ask.
#[test]
fn the_browser_would_have_run_it() {
    let browser = Browser::new();
    let page = browser.file(
        "page.html",
        &format!("<!doctype html><title>mine</title><p>{HOSTILE}</p>"),
    );
    let shown = browser.open(&page);
    assert_eq!(title(&shown.dom), "taken");
    assert!(
        shown
            .requests
            .iter()
            .any(|one| one == "http://evil.example/x"),
        "{:?}",
        shown.requests
    );
}

/// Says in its title how wide the page in it is, and how wide it may be.
fn frame(page: &str, width: u32) -> String {
    let escaped = page.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<!doctype html><title>-</title><iframe style=\"border:0;width:{width}px;height:900px\" srcdoc=\"{escaped}\" \
         onload=\"const d=this.contentDocument;document.title=d.documentElement.scrollWidth+' '+d.title\"></iframe>"
    )
}

#[test]
fn it_is_not_wider_than_a_phone() {
    let (world, browser) = (with_a_failure(), Browser::new());
    let page = world.get("/").text();
    for width in [320, 390, 1280] {
        let shown = browser.open(&browser.file("frame.html", &frame(&page, width)));
        // Without the policy of its own it runs nothing either: its title is what it was.
        let expected = format!("{width} Go module proxy at http://gateway.example");
        assert_eq!(title(&shown.dom), expected, "{width}");
    }
}

/// Width and height, from a PNG's header.
fn size(png: &[u8]) -> (u32, u32) {
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"), "a PNG");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    (number(16), number(20))
}

/// With `PICTURES=<folder>` they are kept, to be looked at.
#[test]
fn it_can_be_looked_at_by_day_and_by_night() {
    let (world, browser) = (with_a_failure(), Browser::new());
    let mut pictures = Vec::new();
    for (name, dark) in [("light", false), ("dark", true)] {
        let picture = browser.picture(&url(&world), (1100, 1500), dark);
        assert_eq!(size(&picture), (1100, 1500), "{name}");
        if let Some(folder) = std::env::var_os("PICTURES") {
            std::fs::write(
                std::path::Path::new(&folder).join(format!("{name}.png")),
                &picture,
            )
            .expect("a file");
        }
        pictures.push(picture);
    }
    assert_ne!(pictures[0], pictures[1], "dark looks otherwise");
}
