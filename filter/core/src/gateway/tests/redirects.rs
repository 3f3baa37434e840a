//! Redirects: metadata is fetched where they lead, archives are streamed from there, and what is not listed is not asked.

use super::*;
use crate::testing::test;

fn rig(unlisted: &str) -> Rig {
    let redirects = format!(
        r#"{{"redirects": {{"hosts": [{{"host": "storage.example", "target": "store"}}], "unlisted": "{unlisted}"}},"#
    );
    Rig::new(&ONE.replacen('{', &redirects, 1))
}

fn moved(location: &str) -> CalloutOutcome {
    answer_with(302, "", &[("location", location)])
}

#[test]
fn metadata_follows_a_listed_redirect_without_the_base_path() {
    let mut rig = rig("pass");
    rig.wait(LIST);
    rig.outcome(moved("https://storage.example/x?Signature=y"));
    let callout = rig.answer(200, "v1.0.0\n");
    assert_eq!(
        (&*callout.target, &*callout.authority),
        ("store", "storage.example")
    );
    assert_eq!(callout.path, "/x?Signature=y");
    assert_eq!(rig.seen(), ok("v1.0.0\n"));
    assert_eq!(rig.reply(LIST).status, 200);
}

#[test]
fn metadata_follows_five_redirects_and_not_a_sixth() {
    let mut rig = rig("pass");
    rig.wait(LIST);
    for number in 0..5 {
        rig.outcome(moved(&format!("/{number}")));
    }
    assert_eq!(rig.outcome(moved("/5")).path, "/4");
    rig.no_callout();
    let seen = rig.seen();
    assert!(
        seen.status == 502 && seen.body.contains("more than 5 times"),
        "{seen:?}"
    );
}

#[test]
fn a_reference_without_a_host_is_one_to_who_gave_it() {
    let mut rig = rig("pass");
    rig.wait(LIST);
    rig.outcome(moved("https://storage.example/x"));
    rig.outcome(moved("/y"));
    let callout = rig.answer(200, "v1.0.0\n");
    assert_eq!((&*callout.target, callout.path.as_str()), ("store", "/y"));
}

#[test]
fn metadata_never_goes_where_no_list_leads() {
    for location in [
        "http://169.254.169.254/latest",
        "https://evil.example/x",
        "ftp://storage.example/",
        "x",
    ] {
        let mut rig = rig("pass");
        rig.wait(LIST);
        rig.outcome(moved(location));
        rig.no_callout();
        assert_eq!(rig.seen().status, 502, "{location}");
    }
}

#[test]
fn an_unlisted_redirect_of_an_archive_goes_to_the_client_or_is_refused() {
    for (unlisted, status) in [("pass", 302), ("refuse", 502)] {
        let mut rig = rig(unlisted);
        let id = rig.forwarded(ZIP);
        let location = "https://evil.example/x?Signature=y";
        let HeadStep::Replace(reply) = rig.head(id, 302, &[("location", location)]) else {
            panic!()
        };
        assert_eq!(reply.status, status);
        if status == 302 {
            assert_eq!(
                (field(&reply, "location"), field(&reply, "cache-control")),
                (location, "no-store")
            );
        } else {
            assert!(
                seen(&reply).body.contains("evil.example"),
                "it names the host"
            );
        }
    }
}

#[test]
fn after_the_first_redirect_an_archive_is_asked_by_head_and_streamed_from_its_target() {
    let mut rig = rig("refuse");
    let id = rig.forwarded(ZIP);
    let HeadStep::Replace(reply) =
        rig.head(id, 302, &[("location", "https://storage.example/z?a=b")])
    else {
        panic!()
    };
    let again = "/example.com/a/@v/v1.0.0.zip?follow";
    assert_eq!((reply.status, field(&reply, "location")), (302, again));
    let Step::Forward(forward) = rig.ask(again).1 else {
        panic!()
    };
    assert_eq!(
        (&*forward.target, &*forward.authority, &*forward.path),
        ("store", "storage.example", "/z?a=b")
    );
    let id = rig.wait("/example.com/a/@v/v1.1.0.zip");
    let probe = rig.outcome(moved("https://storage.example/z?a=b"));
    assert_eq!((probe.method, &*probe.target), (Method::Head, "cluster"));
    let steps = rig.steps();
    let [(to, Step::Forward(forward))] = steps.as_slice() else {
        panic!("{steps:?}")
    };
    assert_eq!(
        (*to, &*forward.target, &*forward.path),
        (id, "store", "/z?a=b")
    );
}

#[test]
fn a_redirect_is_not_believed_for_long() {
    let mut rig = rig("pass");
    let id = rig.forwarded(ZIP);
    rig.head(
        id,
        302,
        &[("location", "https://storage.example/z?Expires=soon")],
    );
    rig.pass(Duration::from_secs(31));
    rig.wait("/example.com/a/@v/v1.0.0.zip?follow");
    assert_eq!(rig.callout().method, Method::Head);
}

#[test]
fn an_archive_follows_five_redirects_and_not_a_sixth() {
    let mut rig = rig("pass");
    let (mut path, mut followed) = (ZIP.to_owned(), 0);
    loop {
        let (id, step) = rig.ask(&path);
        let Step::Forward(_) = step else {
            panic!("{step:?}")
        };
        let location = format!("https://storage.example/{followed}");
        let HeadStep::Replace(reply) = rig.head(id, 302, &[("location", &location)]) else {
            panic!()
        };
        if reply.status != 302 {
            assert!(seen(&reply).body.contains("more than 5 times"), "{reply:?}");
            break;
        }
        path = field(&reply, "location").to_owned();
        followed += 1;
    }
    assert_eq!(followed, 5);
}

#[test]
fn a_redirect_to_nowhere_is_502() {
    for location in [
        "",
        "ftp://x/",
        "x.zip",
        "https://u:p@storage.example/x",
        "//evil.example/x",
    ] {
        let mut rig = rig("pass");
        let id = rig.forwarded(ZIP);
        assert_eq!(
            replaced(rig.head(id, 302, &[("location", location)])).status,
            502,
            "{location}"
        );
    }
}
