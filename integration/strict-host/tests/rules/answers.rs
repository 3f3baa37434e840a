//! Rules about answers, resumes, effective contexts and header maps.

use goproxy_strict_host::{Callback, Fate, Host, StreamHandle, StrictHostError, fields};

use crate::Outcome;
use crate::misuse::{Misuse, notes};

fn get(host: &mut Host) -> Result<StreamHandle, StrictHostError> {
    host.request("GET", "/", &[])
}

#[track_caller]
fn body(host: &Host, stream: StreamHandle) -> String {
    match host.fate(stream) {
        Fate::Replied(reply) => reply.text(),
        other => panic!("expected an answer, got {other:?}"),
    }
}

/// The error of the first tick after one request.
fn on_tick(tick: &'static str) -> Result<StrictHostError, StrictHostError> {
    let mut host = Misuse {
        tick,
        ..Misuse::default()
    }
    .host()?;
    get(&mut host)?;
    Ok(host.tick().expect_err("the rule does not bite"))
}

#[test]
fn a_second_answer_is_swallowed_and_told() -> Outcome {
    let tick = "(call $ok (call $effective (i32.const 2))) (call $reply) (call $reply)";
    let mut host = Misuse {
        tick,
        ..Misuse::default()
    }
    .host()?;
    let stream = get(&mut host)?;
    host.tick()?;
    assert_eq!(body(&host, stream), "up");
    assert_eq!(
        host.check(),
        Err(StrictHostError::SecondAnswers { count: 1 })
    );
    Ok(())
}

#[test]
fn a_third_answer_is_fatal() -> Outcome {
    let error = on_tick(
        "(call $ok (call $effective (i32.const 2))) (call $reply) (call $reply) (call $reply)",
    )?;
    assert_eq!(error, StrictHostError::ThirdAnswer { stream: 2 });
    Ok(())
}

#[test]
fn sixty_five_answers_in_one_call_are_too_many() -> Outcome {
    let tick = "(local.set $n (i32.const 2))
        (loop $next
          (call $ok (call $effective (local.get $n))) (call $reply)
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $next (i32.lt_u (local.get $n) (i32.const 66))))";
    let misuse = Misuse {
        tick,
        ..Misuse::default()
    };
    let mut host = misuse.host()?;
    for _ in 0..64 {
        get(&mut host)?;
    }
    host.tick()?;
    host.check()?;

    let more = Misuse {
        tick: Box::leak(tick.replace("66", "67").into_boxed_str()),
        ..Misuse::default()
    };
    let mut host = more.host()?;
    for _ in 0..65 {
        get(&mut host)?;
    }
    let error = StrictHostError::TooManyAnswers {
        callback: Callback::Tick,
        most: 64,
    };
    assert_eq!(host.tick(), Err(error));
    Ok(())
}

#[test]
fn answers_run_after_the_call_each_within_the_one_before() -> Outcome {
    let tick = "(call $ok (call $effective (i32.const 2))) (call $reply)
        (call $ok (call $effective (i32.const 3))) (call $reply)
        (call $ok (call $effective (i32.const 4))) (call $reply) (call $note (i32.const 101) (i32.const 0))";
    let mut host = Misuse {
        tick,
        ..Misuse::default()
    }
    .host()?;
    for _ in 0..3 {
        get(&mut host)?;
    }
    host.tick()?;
    let order = "e0 h2 h3 h4 b4 l4 d4 x4 b3 l3 d3 x3 b2 l2 d2 x2";
    assert_eq!(notes(&host, 0), order, "head, body, log, done, delete (x)");
    host.check()
}

#[test]
fn a_destroyed_context_can_be_effective_until_it_is_deleted() -> Outcome {
    let tick = "(call $expect (call $effective (i32.const 2)) (i32.const 0))";
    let mut host = Misuse {
        tick,
        ..Misuse::default()
    }
    .host()?;
    let stream = get(&mut host)?;
    host.hold_deletions();
    host.abort(stream)?;
    host.tick()?;
    host.release_deletions()?;
    let error = host
        .tick()
        .expect_err("the context is gone, and the plugin traps");
    assert!(
        matches!(
            error,
            StrictHostError::Trap {
                callback: Callback::Tick,
                ..
            }
        ),
        "{error}"
    );
    Ok(())
}

#[test]
fn an_answer_to_a_destroyed_stream_is_fatal() -> Outcome {
    let tick = "(call $ok (call $effective (i32.const 2))) (call $reply)";
    let mut host = Misuse {
        tick,
        ..Misuse::default()
    }
    .host()?;
    let stream = get(&mut host)?;
    host.hold_deletions();
    host.abort(stream)?;
    assert_eq!(
        host.tick(),
        Err(StrictHostError::AnswerToDestroyed { stream: 2 })
    );
    Ok(())
}

#[test]
fn a_context_that_cannot_be_effective_leaves_the_one_before() -> Outcome {
    let tick = "(call $ok (call $effective (i32.const 2)))
        (call $expect (call $effective (i32.const 99)) (i32.const 2)) (call $reply)";
    let mut host = Misuse {
        tick,
        ..Misuse::default()
    }
    .host()?;
    let stream = get(&mut host)?;
    host.tick()?;
    assert_eq!(body(&host, stream), "up");
    Ok(())
}

#[test]
fn no_effective_context_outlives_its_callback() -> Outcome {
    let misuse = Misuse {
        request_headers: "(call $ok (call $effective (i32.const 2))) (i32.const 1)",
        tick: "(call $reply)",
        ..Misuse::default()
    };
    let mut host = misuse.host()?;
    get(&mut host)?;
    let call = "proxy_send_local_response";
    assert_eq!(
        host.tick(),
        Err(StrictHostError::AnswerToNobody { call, context: 1 })
    );
    Ok(())
}

#[test]
fn the_request_is_gone_after_a_resume() -> Outcome {
    let tick = "(call $ok (call $effective (i32.const 2)))
        (call $expect (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)) (i32.const 0))
        (call $ok (call $continue (i32.const 0)))
        (call $expect (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)) (i32.const 2))";
    let mut host = Misuse {
        tick,
        ..Misuse::default()
    }
    .host()?;
    let stream = get(&mut host)?;
    host.tick()?;
    assert_eq!(body(&host, stream), "not a path of this gateway\n");
    Ok(())
}

#[test]
fn a_map_that_is_not_there_kills_who_relies_on_it() -> Outcome {
    // What the SDK's own getters do: any status that they do not expect is a panic.
    let misuse = Misuse {
        request_headers: "(i32.const 0)",
        response_headers: "(call $ok (call $pairs (i32.const 0) (i32.const 0) (i32.const 4))) (i32.const 0)",
        ..Misuse::default()
    };
    let mut host = misuse.host()?;
    let error = get(&mut host).expect_err("the request's map is read in the response phase");
    let callback = Callback::ResponseHeaders;
    assert!(matches!(&error, StrictHostError::Trap { callback: found, .. } if *found == callback));
    assert_eq!(
        get(&mut host).err(),
        Some(StrictHostError::Dead { worker: 0 })
    );
    Ok(())
}

#[test]
fn a_line_break_in_a_header_is_caught_in_every_call() -> Outcome {
    for (call, wat) in [
        (
            "proxy_send_local_response",
            "(call $ok (call $effective (i32.const 2)))
             (drop (call $send (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
               (i32.const 288) (i32.const 17) (i32.const -1)))",
        ),
        (
            "proxy_replace_header_map_value",
            "(call $ok (call $effective (i32.const 2)))
             (drop (call $replace (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 96) (i32.const 4)))",
        ),
        (
            "proxy_set_header_map_pairs",
            "(call $ok (call $effective (i32.const 2)))
             (drop (call $set_pairs (i32.const 0) (i32.const 288) (i32.const 17)))",
        ),
        (
            "proxy_http_call",
            "(drop (call $call (i32.const 112) (i32.const 2) (i32.const 288) (i32.const 17) (i32.const 0) (i32.const 0)
               (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 0)))",
        ),
    ] {
        let error = on_tick(wat)?;
        assert!(
            matches!(&error, StrictHostError::HeaderInjection { call: found, .. } if *found == call),
            "{call}: {error}"
        );
    }
    Ok(())
}

#[test]
fn a_header_map_must_fit_its_own_lengths() -> Outcome {
    let error = on_tick("(drop (call $set_pairs (i32.const 0) (i32.const 320) (i32.const 16)))")?;
    assert_eq!(
        error,
        StrictHostError::MalformedMap {
            call: "proxy_set_header_map_pairs"
        }
    );
    Ok(())
}

#[test]
fn an_answer_stops_the_stream_whose_callback_it_is_sent_in() -> Outcome {
    let misuse = Misuse {
        // The second stream goes on, and its response callback answers the first.
        request_headers: "(i32.eq (local.get $id) (i32.const 2))",
        response_headers: "(if (i32.eq (local.get $id) (i32.const 3))
            (then (call $ok (call $effective (i32.const 2))) (call $reply))) (i32.const 0)",
        ..Misuse::default()
    };
    let mut host = misuse.host()?;
    let first = get(&mut host)?;
    get(&mut host)?;
    assert_eq!(body(&host, first), "up");
    let path = "/".to_owned();
    assert_eq!(
        host.check(),
        Err(StrictHostError::Hanging { stream: 2, path })
    );
    Ok(())
}

#[test]
fn a_request_is_resumed_once_and_by_others() -> Outcome {
    let own = Misuse {
        request_headers: "(call $ok (call $continue (i32.const 0))) (i32.const 1)",
        ..Misuse::default()
    };
    let callback = Callback::RequestHeaders;
    let error = StrictHostError::ResumedItself {
        stream: 2,
        callback,
    };
    assert_eq!(get(&mut own.host()?).err(), Some(error));
    let twice = on_tick(
        "(call $ok (call $effective (i32.const 2)))
         (call $ok (call $continue (i32.const 0))) (call $ok (call $continue (i32.const 0)))",
    )?;
    assert_eq!(twice, StrictHostError::NotPaused { stream: 2 });
    Ok(())
}

#[test]
fn one_field_makes_the_route_be_chosen_anew_and_a_whole_map_does_not() -> Outcome {
    let whole =
        "(call $ok (call $set_pairs (i32.const 0) (i32.const 480) (i32.const 65))) (i32.const 0)";
    let mut host = Misuse {
        request_headers: whole,
        ..Misuse::default()
    }
    .host()?;
    let stream = get(&mut host)?;
    assert_eq!(body(&host, stream), "not a path of this gateway\n");

    let field = "(call $ok (call $replace (i32.const 0) (i32.const 64) (i32.const 18) (i32.const 112) (i32.const 2)))
        (i32.const 0)";
    let mut host = Misuse {
        request_headers: field,
        ..Misuse::default()
    }
    .host()?;
    let stream = get(&mut host)?;
    let Fate::Forwarded(forwarded) = host.fate(stream) else {
        panic!("expected it to be forwarded, got {:?}", host.fate(stream));
    };
    assert_eq!(
        (forwarded.cluster.as_str(), forwarded.path.as_str()),
        ("up", "/")
    );
    assert!(
        forwarded
            .fields
            .iter()
            .all(|(name, _)| name != "x-goproxy-upstream")
    );
    Ok(())
}

#[test]
fn a_response_is_reset_after_the_callback() -> Outcome {
    let misuse = Misuse {
        request_headers: "(call $ok (call $replace (i32.const 0) (i32.const 64) (i32.const 18) (i32.const 112) (i32.const 2)))
            (i32.const 0)",
        response_body: "(call $ok (call $set_buffer (i32.const 1) (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 0)))
            (call $ok (call $close (i32.const 1))) (i32.const 1)",
        ..Misuse::default()
    };
    let mut host = misuse.host()?;
    let stream = get(&mut host)?;
    host.upstream_head(
        stream,
        200,
        &fields(&[("content-type", "application/zip")]),
        false,
    )?;
    host.upstream_body(stream, b"abc", false)?;
    assert_eq!(host.fate(stream), Fate::Reset(0));
    assert_eq!(notes(&host, 0), "h2 b2 l2 d2 x2");
    Ok(())
}
