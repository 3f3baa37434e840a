//! Rules about what the workers of a process share, and about a worker whose VM dies.

use goproxy_strict_host::{Fate, Host, ListenerHandle, StreamHandle, StrictHostError};

use crate::Outcome;
use crate::misuse::{Misuse, notes};

fn get(host: &mut Host, worker: usize) -> Result<StreamHandle, StrictHostError> {
    host.request_on(ListenerHandle::FIRST, worker, "GET", "/", &[], true)
}

#[test]
fn what_one_worker_sets_another_gets() -> Outcome {
    // Notes the status and, where there is one, the first byte; then sets "up" to "a".
    let request_headers = "
        (call $note (i32.const 103) (call $get (i32.const 112) (i32.const 2) (i32.const 0) (i32.const 4) (i32.const 8)))
        (call $ok (call $set (i32.const 112) (i32.const 2) (i32.const 96) (i32.const 1) (i32.const 0)))
        (i32.const 1)";
    let mut host = Misuse {
        request_headers,
        ..Misuse::default()
    }
    .workers(2)?;
    get(&mut host, 0)?;
    get(&mut host, 1)?;
    assert_eq!(
        (notes(&host, 0), notes(&host, 1)),
        ("g1".into(), "g0".into())
    );
    assert_eq!(host.shared_values(), [("up".to_owned(), 1)]);
    assert_eq!(host.shared_value("up"), Some(b"a".to_vec()));
    Ok(())
}

#[test]
fn another_plugin_may_set_values_and_send_messages() -> Outcome {
    let misuse = Misuse {
        configure: "(call $ok (call $register (i32.const 112) (i32.const 2) (i32.const 0))) (i32.const 1)",
        request_headers: "
            (call $ok (call $get (i32.const 112) (i32.const 2) (i32.const 0) (i32.const 4) (i32.const 8))) (i32.const 1)",
        queue_ready: "(call $ok (call $dequeue (local.get $queue) (i32.const 0) (i32.const 4)))
            (call $note (i32.const 113) (i32.load (i32.const 4)))",
        ..Misuse::default()
    };
    let mut host = misuse.host()?;
    host.set_shared_value("up", b"theirs")?;
    get(&mut host, 0)?;
    host.send_to_all_queues(b"abc")?;
    assert_eq!(notes(&host, 0), "q3");
    Ok(())
}

#[test]
fn wake_ups_can_be_lost_and_their_messages_stay() -> Outcome {
    let misuse = Misuse {
        configure: "(call $ok (call $register (i32.const 112) (i32.const 2) (i32.const 0))) (i32.const 1)",
        queue_ready: "(call $note (i32.const 113) (local.get $id))",
        ..Misuse::default()
    };
    let mut host = misuse.host()?;
    host.hold_wake_ups();
    host.send_to_all_queues(b"abc")?;
    host.lose_wake_ups();
    host.release_wake_ups()?;
    assert_eq!((notes(&host, 0), host.queues()), (String::new(), (1, 1)));
    Ok(())
}

#[test]
fn a_vm_that_died_takes_its_clients_along_and_leaves_what_is_shared() -> Outcome {
    let misuse = Misuse {
        // The worker registers; the main thread's VM does so before, and never again.
        configure: "(call $ok (call $register (i32.const 112) (i32.const 2) (i32.const 0))) (i32.const 1)",
        request_headers: "
            (call $ok (call $set (i32.const 112) (i32.const 2) (i32.const 96) (i32.const 1) (i32.const 0)))
            (call $ok (call $callout (i32.const 1000))) (i32.const 1)",
        queue_ready: "(call $note (i32.const 113) (local.get $id))",
        ..Misuse::default()
    };
    let mut host = misuse.workers(2)?;
    let (dies, lives) = (get(&mut host, 1)?, get(&mut host, 0)?);
    assert_eq!(host.callouts_out(), 2);
    host.reload(1)?;
    assert_eq!(
        (host.fate(dies), host.fate(lives)),
        (Fate::Reset(0), Fate::Waiting)
    );
    assert_eq!((host.callouts_out(), host.roots(1)), (1, 1));
    assert_eq!(host.shared_value("up"), Some(b"a".to_vec()));
    assert_eq!(notes(&host, 1), "", "no callback tells of it");
    host.send_to_all_queues(b"abc")?;
    assert_eq!(notes(&host, 1), "q1", "the queue wakes the new one");
    let next = get(&mut host, 1)?;
    assert_eq!(host.fate(next), Fate::Waiting);
    Ok(())
}
