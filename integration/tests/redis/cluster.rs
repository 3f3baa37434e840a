//! A Redis Cluster behind Envoy's `redis_proxy`, and a master that dies while it is read and written.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use goproxy_integration::origin::Origin;
use goproxy_integration::running::Running;
use serde_json::json;

use crate::cluster_world::Cluster;
use crate::shared::{Look, config, get, of, start};
use crate::world::{assert_unharmed, eventually};

const OBJECTS: usize = 60;

fn path(number: usize) -> String {
    format!("/bench.example/n{number}/@v/v1.0.0.mod")
}

/// Asks Redis each time.
fn gateway(origin: &Origin, cluster: &Cluster) -> Running {
    let mut config = config(origin, json!({}));
    for tier in ["memory", "shared"] {
        config["cache"][tier] = json!({"size": "0B"});
    }
    start(of(origin, &config).redis_http(&cluster.webdis.addr().to_string()))
}

/// One object, whole and right; tells whether it was a hit.
fn asks(gateway: &Running, number: usize) -> bool {
    let answer = get(gateway, &path(number));
    let module = format!("module bench.example/n{number}\n");
    assert!(
        answer.status == 200 && answer.whole && answer.body.starts_with(module.as_bytes()),
        "n{number}: {answer:?}"
    );
    answer.header("age").is_some()
}

#[test]
fn a_master_dies_and_nobody_fails_and_its_keys_are_hits_again() {
    let (origin, cluster) = (Origin::start(&[]).unwrap(), Cluster::start());
    let (first, second) = (gateway(&origin, &cluster), gateway(&origin, &cluster));
    for number in 0..OBJECTS {
        asks(&first, number);
    }
    cluster.await_keys(OBJECTS);
    let sizes = cluster.sizes();
    assert!(sizes.iter().all(|size| *size > 0), "{sizes:?}");
    eventually("the second gateway finds all of them", || {
        (0..OBJECTS).all(|number| asks(&second, number))
    });

    let (done, new) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for gateway in [&first, &second] {
            let (done, new) = (&done, &new);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    for number in 0..OBJECTS {
                        asks(gateway, number);
                    }
                    asks(gateway, 1_000 + new.fetch_add(1, Ordering::SeqCst));
                }
            });
        }
        // So that the load ends with the test, also where an assertion fails.
        let _end = End(&done);
        let load = |more: usize| {
            let until = new.load(Ordering::SeqCst) + more;
            eventually("the load goes on", || new.load(Ordering::SeqCst) >= until);
        };
        load(2);
        cluster.nodes[0].kill();
        load(2);
        let mut replica = Look::at(&cluster.nodes[3]);
        eventually("the replica is a master", || {
            replica
                .ask::<String>(&["INFO", "replication"])
                .contains("role:master")
        });
        eventually("all are hits again", || {
            (0..OBJECTS).all(|number| asks(&second, number))
        });
        let before: usize = replica.ask(&["DBSIZE"]);
        let mut number = 10_000;
        eventually("the new master is written", || {
            number += 1;
            asks(&second, number);
            replica.ask::<usize>(&["DBSIZE"]) > before
        });
    });
    for gateway in [&first, &second] {
        assert_unharmed(gateway, "a master that died");
    }
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
