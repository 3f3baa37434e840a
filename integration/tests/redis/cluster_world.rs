//! A Redis Cluster of three masters, each with a replica, and the shipped Envoy before it that webdis takes for a Redis.

use std::process::Command;

use goproxy_integration::places;
use goproxy_integration::redis_server::{PASSWORD, RedisServer, Server, Webdis, free_port};
use serde_yaml_ng::Value as Yaml;

use crate::shared::Look;
use crate::world::eventually;

/// Milliseconds after which a node that says nothing is taken for dead; 15,000 where nobody says otherwise.
const NODE_TIMEOUT: &str = "1500";

const MASTERS: usize = 3;

pub struct Cluster {
    /// Masters first, then their replicas in the same order.
    pub nodes: Vec<RedisServer>,
    pub webdis: Webdis,
    _proxy: Server,
    _folder: tempfile::TempDir,
}

impl Cluster {
    pub fn start() -> Self {
        let nodes: Vec<RedisServer> = (0..2 * MASTERS).map(|_| node()).collect();
        join(&nodes);
        let folder = tempfile::tempdir().unwrap();
        let proxy = proxy(&nodes[..MASTERS], folder.path());
        let webdis = Webdis::start(proxy.addr()).unwrap();
        Self {
            nodes,
            webdis,
            _proxy: proxy,
            _folder: folder,
        }
    }

    /// How many keys each node has, those that live.
    pub fn sizes(&self) -> Vec<usize> {
        let living = self.nodes.iter();
        let living = living.filter(|node| node.child().exit().is_none());
        living.map(|node| Look::at(node).ask(&["DBSIZE"])).collect()
    }

    /// Whether so many keys are on the masters, and the same on their replicas.
    pub fn holds(&self, count: usize) -> bool {
        let sizes = self.sizes();
        let (masters, replicas) = sizes.split_at(MASTERS);
        masters == replicas && masters.iter().sum::<usize>() == count
    }
}

/// The port of a node's bus may be gone by the time that it starts.
fn node() -> RedisServer {
    let mut last = None;
    for _ in 0..5 {
        let bus = free_port().unwrap().to_string();
        let arguments = [
            "--cluster-enabled",
            "yes",
            "--cluster-port",
            &bus,
            "--cluster-node-timeout",
            NODE_TIMEOUT,
            "--masteruser",
            "admin",
            "--masterauth",
            goproxy_integration::redis_server::ADMIN_PASSWORD,
        ];
        // As the head of redis-cluster.yaml says.
        let started = RedisServer::with(&arguments, |text| {
            assert!(text.contains(" +ping"));
            text.replacen(" +ping", " +ping +cluster|slots +readonly +asking", 1)
        });
        match started {
            Ok(node) => return node,
            Err(error) => last = Some(error),
        }
    }
    panic!("{last:?}");
}

/// What `redis-cli --cluster create` does.
fn join(nodes: &[RedisServer]) {
    let mut looks: Vec<Look> = nodes.iter().map(Look::at).collect();
    let bounds = [(0, 5460), (5461, 10922), (10923, 16383)];
    for (number, (first, last)) in bounds.iter().enumerate() {
        let look = &mut looks[number];
        look.ask::<()>(&[
            "CLUSTER",
            "ADDSLOTSRANGE",
            &first.to_string(),
            &last.to_string(),
        ]);
        look.ask::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
    }
    for node in &nodes[1..] {
        let bus: Vec<String> = Look::at(node).ask(&["CONFIG", "GET", "cluster-port"]);
        let port = node.addr().port().to_string();
        looks[0].ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus[1]]);
    }
    for look in &mut looks {
        eventually("all nodes know each other", || {
            let known: String = look.ask(&["CLUSTER", "NODES"]);
            known.lines().count() == nodes.len() && !known.contains("handshake")
        });
    }
    for number in 0..MASTERS {
        let id: String = looks[number].ask(&["CLUSTER", "MYID"]);
        looks[number + MASTERS].ask::<()>(&["CLUSTER", "REPLICATE", &id]);
    }
    for (number, look) in looks.iter_mut().enumerate() {
        eventually("the cluster serves", || {
            look.ask::<String>(&["CLUSTER", "INFO"])
                .contains("cluster_state:ok")
        });
        if number >= MASTERS {
            eventually("the replica follows", || {
                look.ask::<String>(&["INFO", "replication"])
                    .contains("master_link_status:up")
            });
        }
    }
    // A master that does not know of its replica yet does not tell Envoy of it either.
    for look in &mut looks[..MASTERS] {
        eventually("replicas are known", || {
            let slots: Vec<Vec<redis::Value>> = look.ask(&["CLUSTER", "SLOTS"]);
            slots.len() == MASTERS && slots.iter().all(|range| range.len() == 4)
        });
    }
}

/// `envoy/redis/redis-cluster.yaml` on a free port, with these nodes to begin with.
fn proxy(nodes: &[RedisServer], folder: &std::path::Path) -> Server {
    let file = places::envoy_file("redis/redis-cluster.yaml").unwrap();
    let mut tree: Yaml = serde_yaml_ng::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let resources = &mut tree["static_resources"];
    let endpoints = &mut resources["clusters"][0]["load_assignment"]["endpoints"][0];
    let endpoints = endpoints["lb_endpoints"].as_sequence_mut().unwrap();
    assert_eq!(endpoints.len(), nodes.len());
    for (endpoint, node) in endpoints.iter_mut().zip(nodes) {
        endpoint["endpoint"]["address"]["socket_address"]["port_value"] = node.addr().port().into();
    }
    // Else another Envoy of this machine could have the same port.
    resources["listeners"][0]["enable_reuse_port"] = false.into();
    let envoy = places::envoy().unwrap();
    let ready = "starting main dispatch loop";
    let proxy = Server::start("envoy", None, folder, ready, |port| {
        let mut tree = tree.clone();
        let address = &mut tree["static_resources"]["listeners"][0]["address"];
        address["socket_address"]["port_value"] = port.into();
        let file = folder.join("redis-cluster.yaml");
        std::fs::write(&file, serde_yaml_ng::to_string(&tree).unwrap())?;
        let mut command = Command::new(&envoy);
        command
            .arg("-c")
            .arg(file)
            .args(["--disable-hot-restart", "--concurrency", "1"])
            .env("REDIS_PASSWORD", PASSWORD);
        Ok(command)
    })
    .unwrap();
    eventually("Envoy knows the nodes of all slots", || {
        let url = format!("redis://:{PASSWORD}@{}/", proxy.addr());
        let connection = redis::Client::open(url).and_then(|client| client.get_connection());
        let Ok(mut connection) = connection else {
            return false;
        };
        (0..30).all(|number| {
            let value: redis::RedisResult<Option<String>> = redis::cmd("GET")
                .arg(format!("gomod-{number}"))
                .query(&mut connection);
            value.is_ok()
        })
    });
    proxy
}
