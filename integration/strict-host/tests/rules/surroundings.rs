//! Rules about callouts, shared data, queues, ticks, configurations and the VM itself.

use std::time::Duration;

use goproxy_strict_host::{Callback, Cluster, Host, StreamHandle, StrictHostError};

use crate::Outcome;
use crate::misuse::{Misuse, notes};

const SEND: &str = "(call $ok (call $callout (i32.const 1000)))";

fn get(host: &mut Host) -> Result<StreamHandle, StrictHostError> {
    host.request("GET", "/", &[])
}

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
fn a_callout_needs_a_time_limit() -> Outcome {
    let error = on_tick("(call $ok (call $callout (i32.const 0)))")?;
    assert_eq!(
        error,
        StrictHostError::EndlessCallout {
            target: "up".to_owned()
        }
    );
    Ok(())
}

#[test]
fn a_callout_names_what_it_asks_for() -> Outcome {
    let error = on_tick(
        "(drop (call $call (i32.const 112) (i32.const 2) (i32.const 256) (i32.const 16) (i32.const 0) (i32.const 0)
           (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 0)))",
    )?;
    let target = "up".to_owned();
    assert_eq!(
        error,
        StrictHostError::IncompleteCallout {
            target,
            field: ":method"
        }
    );
    Ok(())
}

#[test]
fn a_cluster_that_is_not_there_is_told_at_once() -> Outcome {
    for (cluster, status) in [(Cluster::Unknown, "2"), (Cluster::Refusing, "10")] {
        let tick = format!("(call $expect (call $callout (i32.const 100)) (i32.const {status}))");
        let mut host = Misuse {
            tick: Box::leak(tick.into_boxed_str()),
            ..Misuse::default()
        }
        .host()?;
        host.set_cluster("up", cluster);
        get(&mut host)?;
        host.tick()?;
        assert_eq!(host.callouts_out(), 0, "{cluster:?}");
    }
    Ok(())
}

#[test]
fn every_end_of_a_callout_looks_as_it_does_on_envoy() -> Outcome {
    // Notes how many fields there are, and the status of reading the map and the body.
    let call_response = "(call $note (i32.const 102) (local.get $fields))
        (call $note (i32.const 109) (call $pairs (i32.const 6) (i32.const 0) (i32.const 4)))
        (call $note (i32.const 115) (call $buffer (i32.const 4) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 4)))";
    type Ending = fn(&mut Host, goproxy_strict_host::CalloutHandle) -> Outcome;
    let endings: [(Ending, &str); 4] = [
        (
            |host, callout| host.answer(callout, 200, &[], b"x"),
            "f2 m0 s0",
        ),
        (Host::refuse, "f3 m0 s0"),
        (Host::timeout, "f3 m0 s0"),
        (Host::reset, "f0 m2 s0"),
    ];
    for (end, noted) in endings {
        let misuse = Misuse {
            tick: SEND,
            call_response,
            ..Misuse::default()
        };
        let mut host = misuse.host()?;
        get(&mut host)?;
        host.tick()?;
        let callout = host.callouts()[0].handle;
        end(&mut host, callout)?;
        assert_eq!(notes(&host, 0), noted);
        let again = host.timeout(callout).expect_err("a callout ends once");
        assert!(matches!(again, StrictHostError::Script(_)), "{again}");
    }
    Ok(())
}

#[test]
fn a_callout_times_out_by_itself_unless_the_host_has_lost_it() -> Outcome {
    for (automatically, noted) in [(true, "f3"), (false, "")] {
        let misuse = Misuse {
            request_headers: "(call $ok (call $callout (i32.const 1000))) (i32.const 1)",
            call_response: "(call $note (i32.const 102) (local.get $fields))",
            ..Misuse::default()
        };
        let mut host = misuse.host()?;
        host.time_out_callouts(automatically);
        get(&mut host)?;
        host.advance(Duration::from_millis(999))?;
        assert_eq!(notes(&host, 0), "");
        host.advance(Duration::from_millis(2))?;
        assert_eq!(notes(&host, 0), noted);
    }
    Ok(())
}

#[test]
fn callouts_end_untold_with_their_root_context() -> Outcome {
    let misuse = Misuse {
        request_headers: "(call $ok (call $callout (i32.const 1000))) (i32.const 1)",
        call_response: "(call $note (i32.const 102) (local.get $fields))",
        ..Misuse::default()
    };
    let mut host = misuse.host()?;
    let stream = get(&mut host)?;
    host.new_configuration("another")?;
    assert_eq!(
        (host.roots(0), host.callouts_out()),
        (2, 1),
        "the old one drains"
    );
    host.abort(stream)?;
    assert_eq!(
        (host.roots(0), host.callouts_out()),
        (1, 0),
        "the old one is gone"
    );
    assert!(!notes(&host, 0).contains('f'));
    Ok(())
}

#[test]
fn a_stale_number_is_refused_and_a_new_key_takes_any() -> Outcome {
    // Key "up", value "a": whatever the number, the first write is taken; the next one must know it.
    let request_headers = "
        (call $ok (call $set (i32.const 112) (i32.const 2) (i32.const 96) (i32.const 1) (i32.const 77)))
        (call $ok (call $get (i32.const 112) (i32.const 2) (i32.const 0) (i32.const 4) (i32.const 8)))
        (call $expect (call $set (i32.const 112) (i32.const 2) (i32.const 96) (i32.const 1) (i32.const 77)) (i32.const 8))
        (call $ok (call $set (i32.const 112) (i32.const 2) (i32.const 96) (i32.const 1) (i32.load (i32.const 8))))
        (call $expect (call $get (i32.const 64) (i32.const 2) (i32.const 0) (i32.const 4) (i32.const 8)) (i32.const 1))
        (i32.const 1)";
    let mut host = Misuse {
        request_headers,
        ..Misuse::default()
    }
    .host()?;
    get(&mut host)?;
    assert_eq!(host.shared_data(), (1, 1));
    Ok(())
}

#[test]
fn a_queue_wakes_the_last_who_registered_it() -> Outcome {
    let misuse = Misuse {
        configure: "(call $ok (call $register (i32.const 112) (i32.const 2) (i32.const 0))) (i32.const 1)",
        request_headers: "(call $ok (call $enqueue (i32.const 1) (i32.const 112) (i32.const 2)))
            (call $expect (call $enqueue (i32.const 9) (i32.const 0) (i32.const 0)) (i32.const 1)) (i32.const 1)",
        queue_ready: "(call $note (i32.const 113) (local.get $id))
            (call $ok (call $dequeue (local.get $queue) (i32.const 0) (i32.const 4)))
            (call $expect (call $dequeue (local.get $queue) (i32.const 0) (i32.const 4)) (i32.const 7))",
        ..Misuse::default()
    };
    let mut host = misuse.workers(2)?;
    host.hold_wake_ups();
    get(&mut host)?;
    assert_eq!(host.queues(), (1, 1));
    host.release_wake_ups()?;
    assert_eq!(
        (notes(&host, 0), notes(&host, 1)),
        (String::new(), "q1".to_owned())
    );
    assert_eq!(host.queues(), (1, 0));
    Ok(())
}

#[test]
fn a_root_context_that_is_gone_is_not_woken() -> Outcome {
    let misuse = Misuse {
        // Only the first configuration registers.
        configure: "(if (i32.eq (local.get $id) (i32.const 1))
            (then (call $ok (call $register (i32.const 112) (i32.const 2) (i32.const 0))))) (i32.const 1)",
        request_headers: "(call $ok (call $enqueue (i32.const 1) (i32.const 112) (i32.const 2))) (i32.const 1)",
        queue_ready: "(call $note (i32.const 113) (local.get $id))",
        ..Misuse::default()
    };
    let mut host = misuse.host()?;
    host.new_configuration("another")?;
    get(&mut host)?;
    assert_eq!((host.queues(), host.wake()?), ((1, 1), false));
    assert!(!notes(&host, 0).contains('q'), "{}", notes(&host, 0));
    Ok(())
}

#[test]
fn ticks_come_when_they_are_due_and_asking_again_puts_them_off() -> Outcome {
    let tick = "(call $note (i32.const 116) (local.get $id))";
    let mut host = Misuse {
        tick,
        ..Misuse::default()
    }
    .host()?;
    get(&mut host)?;
    host.advance(Duration::from_millis(350))?;
    assert_eq!(notes(&host, 0), "t1 t1 t1");

    let request_headers = "(call $ok (call $ticks (i32.const 100))) (i32.const 1)";
    let mut host = Misuse {
        tick,
        request_headers,
        ..Misuse::default()
    }
    .host()?;
    for _ in 0..20 {
        get(&mut host)?;
        host.advance(Duration::from_millis(50))?;
    }
    assert_eq!(notes(&host, 0), "", "starved");
    Ok(())
}

#[test]
fn a_refused_configuration_is_an_error_and_changes_nothing() -> Outcome {
    let refusing = Misuse {
        configure: "(i32.eq (local.get $id) (i32.const 1))",
        ..Misuse::default()
    };
    let mut host = refusing.host()?;
    let refused = host.new_configuration("another");
    assert!(
        matches!(refused, Err(StrictHostError::ConfigurationRefused { .. })),
        "{refused:?}"
    );
    assert_eq!(host.roots(0), 1);
    get(&mut host)?;
    Ok(())
}

#[test]
fn a_configuration_that_only_a_worker_refuses_is_told_apart() -> Outcome {
    // The second VM that is asked finds a key.
    let configure = "(call $get (i32.const 112) (i32.const 2) (i32.const 0) (i32.const 4) (i32.const 8))
        (call $ok (call $set (i32.const 112) (i32.const 2) (i32.const 96) (i32.const 1) (i32.const 0)))";
    let error = Misuse {
        configure,
        ..Misuse::default()
    }
    .host()
    .err();
    assert!(
        matches!(
            error,
            Some(StrictHostError::ImpureConfiguration { worker: 0, .. })
        ),
        "{error:?}"
    );
    Ok(())
}

#[test]
fn a_pointer_outside_of_the_memory_is_told() -> Outcome {
    let error = on_tick("(drop (call $log (i32.const 2) (i32.const 65535) (i32.const 2)))")?;
    let (call, pointer, length) = ("proxy_log", 65535, 2);
    assert_eq!(
        error,
        StrictHostError::BadPointer {
            call,
            pointer,
            length
        }
    );
    Ok(())
}

#[test]
fn a_call_that_is_not_played_is_told() -> Outcome {
    let error = on_tick("(drop (call $done))")?;
    assert_eq!(
        error,
        StrictHostError::UnplayedCall {
            call: "env.proxy_done".to_owned()
        }
    );
    Ok(())
}

#[test]
fn an_endless_loop_ends() -> Outcome {
    let error = on_tick("(loop $ever (br $ever))")?;
    assert!(
        matches!(
            error,
            StrictHostError::EndlessLoop {
                callback: Callback::Tick,
                ..
            }
        ),
        "{error}"
    );
    Ok(())
}

#[test]
fn a_trap_is_told_with_its_stack() -> Outcome {
    let error = on_tick("unreachable")?;
    let StrictHostError::Trap {
        callback: Callback::Tick,
        backtrace,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert!(
        backtrace.contains("unreachable") && backtrace.contains("backtrace"),
        "{backtrace}"
    );
    Ok(())
}

#[test]
fn calls_and_bytes_are_counted_for_callback_and_stream() -> Outcome {
    let request_headers =
        "(call $ok (call $log (i32.const 2) (i32.const 64) (i32.const 18))) (i32.const 1)";
    let mut host = Misuse {
        request_headers,
        ..Misuse::default()
    }
    .host()?;
    let before = host.tally();
    let stream = get(&mut host)?;
    let of_stream = host.tally_of(stream);
    assert_eq!(
        (
            of_stream.of("proxy_log"),
            of_stream.bytes_out,
            of_stream.entries
        ),
        (1, 18, 2)
    );
    let of_callback = &host.tally_by_callback()[&Callback::RequestHeaders];
    assert_eq!((of_callback.total(), of_callback.bytes_out), (1, 18));
    assert_eq!(host.tally().since(&before).total(), 1);
    Ok(())
}
