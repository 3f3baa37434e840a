//! Envoy's configuration: the files under `envoy/`, read as trees, with addresses replaced.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde_yaml_ng::{Mapping, Value};

use crate::archives::SHIPPED_RUN;
use crate::base_url::{BaseUrl, Host};
use crate::places::{self, Missing};
use crate::redis_http::{self, RedisGateway, RedisHttp};
use crate::settings::Tls;

/// The cluster among the shipped ones that others are made from.
const TEMPLATE: &str = "goproxy_public";

/// The access log that prints what the filter has to tell.
const EVENTS_LOG: &str = "envoy.access_loggers.stdout";

/// A shipped file that is not as the launcher expects it.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// Not there.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// Not readable.
    #[error("{file}: {error}")]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// No YAML.
    #[error("{file}: {error}")]
    Yaml {
        /// Which.
        file: PathBuf,
        /// Why.
        error: serde_yaml_ng::Error,
    },
    /// Not of the shape that is known here.
    #[error("envoy's configuration: expected something at {0}, got nothing")]
    Nothing(String),
    /// No file of CA certificates on this machine.
    #[error(
        "UPSTREAM_CA: no file of CA certificates was found on this machine, expected one of {0}: set UPSTREAM_CA"
    )]
    NoSystemCa(String),
}

type Result<T> = std::result::Result<T, BootstrapError>;

/// `envoy/envoy.yaml`, changed where a run differs from what is shipped.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    tree: Value,
    template: Value,
}

impl Bootstrap {
    /// Reads what is shipped.
    ///
    /// # Errors
    /// The file is missing or not what it was.
    pub fn shipped() -> Result<Self> {
        let mut tree = read(&places::envoy_file("envoy.yaml")?)?;
        let template = at(&mut tree, "static_resources/clusters")?
            .as_sequence()
            .and_then(|clusters| clusters.iter().find(|cluster| cluster["name"] == TEMPLATE))
            .cloned()
            .ok_or_else(|| BootstrapError::Nothing(format!("the cluster {TEMPLATE}")))?;
        Ok(Self { tree, template })
    }

    /// Everything, for changes that have no method here.
    pub fn tree(&mut self) -> &mut Value {
        &mut self.tree
    }

    /// As Envoy reads it.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        serde_yaml_ng::to_string(&self.tree).unwrap_or_default()
    }

    /// Where the admin pages are; port 0 lets Envoy choose.
    pub fn admin(&mut self, address: SocketAddr) -> Result<()> {
        *at(&mut self.tree, "admin/address")? = socket_address(address);
        Ok(())
    }

    /// The listener at `index` listens there and nowhere else.
    pub fn listen(&mut self, index: usize, address: SocketAddr) -> Result<()> {
        let listener = at(
            &mut self.tree,
            &format!("static_resources/listeners/{index}"),
        )?;
        listener["address"] = socket_address(address);
        remove(listener, "additional_addresses");
        Ok(())
    }

    /// The listener at `index` speaks TLS, as the fragment `downstream-tls.yaml` says.
    pub fn downstream_tls(&mut self, index: usize, tls: &Tls) -> Result<()> {
        let mut fragment = read(&places::envoy_file("downstream-tls.yaml")?)?;
        let context = at(&mut fragment, "transport_socket/typed_config")?;
        let certificate = at(context, "common_tls_context/tls_certificates/0")?;
        certificate["certificate_chain"]["filename"] = path(&tls.certificate);
        certificate["private_key"]["filename"] = path(&tls.key);
        if let Some(client_ca) = &tls.client_ca {
            at(context, "common_tls_context/validation_context/trusted_ca")?["filename"] =
                path(client_ca);
        } else {
            remove(context, "require_client_certificate");
            remove(at(context, "common_tls_context")?, "validation_context");
        }
        let chain = at(
            &mut self.tree,
            &format!("static_resources/listeners/{index}/filter_chains/0"),
        )?;
        chain["transport_socket"] = at(&mut fragment, "transport_socket")?.clone();
        Ok(())
    }

    /// A copy of the first listener, as it is now; with its own name. Tells its index.
    pub fn copy_listener(&mut self, name: &str) -> Result<usize> {
        let listeners = at(&mut self.tree, "static_resources/listeners")?;
        let mut copy = at(listeners, "0")?.clone();
        copy["name"] = name.into();
        let listeners = sequence(listeners, "static_resources/listeners")?;
        listeners.push(copy);
        Ok(listeners.len() - 1)
    }

    /// The listener at `index` is a socket of the file system, for whom may enter its folder.
    pub fn listen_in_file(&mut self, index: usize, socket: &Path) -> Result<()> {
        let listener = at(
            &mut self.tree,
            &format!("static_resources/listeners/{index}"),
        )?;
        listener["address"] = mapping([("pipe", mapping([("path", path(socket))]))]);
        remove(listener, "additional_addresses");
        Ok(())
    }

    /// The filter of the listener at `index` is called `name` and comes from `file`.
    pub fn plugin(&mut self, index: usize, name: &str, file: &Path) -> Result<()> {
        let filters = at(self.connection_manager(index)?, "http_filters")?;
        let filters = sequence(filters, "http_filters")?;
        let filter = filters
            .iter_mut()
            .find(|filter| is_plugin(filter))
            .ok_or_else(no_plugin)?;
        filter["name"] = name.into();
        let source = at(filter, "config_discovery/config_source/path_config_source")?;
        source["path"] = path(file);
        source["watched_directory"]["path"] = path(file.parent().unwrap_or(file));
        Ok(())
    }

    /// The listener at `index` has no filter, and no log that prints what the filter tells: Envoy alone, to compare with.
    pub fn without_plugin(&mut self, index: usize) -> Result<()> {
        let filters = at(self.connection_manager(index)?, "http_filters")?;
        sequence(filters, "http_filters")?.retain(|filter| !is_plugin(filter));
        let logs = at(self.connection_manager(index)?, "access_log")?;
        sequence(logs, "access_log")?.retain(|log| log["name"] != EVENTS_LOG);
        Ok(())
    }

    /// No line for each request. What the filter writes to standard output stays.
    pub fn without_access_log(&mut self, index: usize) -> Result<()> {
        let logs = at(self.connection_manager(index)?, "access_log")?;
        sequence(logs, "access_log")?.retain(|log| log["name"] == EVENTS_LOG);
        Ok(())
    }

    /// The route of that name of the listener at `index`.
    pub fn route(&mut self, index: usize, name: &str) -> Result<&mut Value> {
        let manager = self.connection_manager(index)?;
        let routes = at(manager, "route_config/virtual_hosts/0/routes")?;
        let mut routes = sequence(routes, "routes")?.iter_mut();
        let found = routes.find(|route| route["name"] == name);
        found.ok_or_else(|| BootstrapError::Nothing(format!("the route {name}")))
    }

    /// What `archives.yaml` adds, with its sockets in the folder `run`. The listeners that are there keep their indexes.
    pub fn archives(&mut self, run: &Path) -> Result<()> {
        let mut added = read(&places::envoy_file("archives.yaml")?)?;
        move_sockets(&mut added, run);
        for list in ["listeners", "clusters"] {
            let list = format!("static_resources/{list}");
            let more = sequence(at(&mut added, &list)?, &list)?.clone();
            sequence(at(&mut self.tree, &list)?, &list)?.extend(more);
        }
        Ok(())
    }

    /// The HTTP settings, filters and routes of the listener at `index`.
    pub fn connection_manager(&mut self, index: usize) -> Result<&mut Value> {
        let path =
            format!("static_resources/listeners/{index}/filter_chains/0/filters/0/typed_config");
        at(&mut self.tree, &path)
    }

    /// Keeps those of the shipped clusters that `wanted` says.
    pub fn keep_clusters(&mut self, wanted: impl Fn(&str) -> bool) -> Result<()> {
        sequence(
            at(&mut self.tree, "static_resources/clusters")?,
            "static_resources/clusters",
        )?
        .retain(|cluster| cluster["name"].as_str().is_some_and(&wanted));
        Ok(())
    }

    /// A cluster made from the shipped one, in the place of one of the same name.
    pub fn cluster(&mut self, name: &str, url: &BaseUrl, ca: Option<&Path>) -> Result<()> {
        let cluster = cluster(&self.template, name, url, ca)?;
        self.keep_clusters(|other| other != name)?;
        sequence(
            at(&mut self.tree, "static_resources/clusters")?,
            "static_resources/clusters",
        )?
        .push(cluster);
        Ok(())
    }

    /// The cluster for Redis, from the shipped file of its kind, in the place of one of the same name.
    pub fn redis(&mut self, redis: &RedisHttp, ca: Option<&Path>) -> Result<()> {
        let mut file = read(&places::envoy_file(redis.cluster_file())?)?;
        let shipped = at(&mut file, "static_resources/clusters/0")?;
        let cluster = match redis.gateway {
            RedisGateway::Upstash => cluster(shipped, redis_http::TARGET, &redis.url, ca)?,
            RedisGateway::Webdis => webdis(shipped.clone(), &redis.url)?,
        };
        self.keep_clusters(|other| other != redis_http::TARGET)?;
        sequence(
            at(&mut self.tree, "static_resources/clusters")?,
            "static_resources/clusters",
        )?
        .push(cluster);
        Ok(())
    }

    /// The names of the clusters, in order.
    #[must_use]
    pub fn cluster_names(&self) -> Vec<String> {
        let clusters = self.tree["static_resources"]["clusters"].as_sequence();
        clusters
            .into_iter()
            .flatten()
            .filter_map(|cluster| cluster["name"].as_str().map(str::to_owned))
            .collect()
    }
}

/// Every path below the shipped folder of sockets is one below `run`.
fn move_sockets(value: &mut Value, run: &Path) {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix(SHIPPED_RUN) {
                *text = format!("{}{name}", run.display());
            }
        }
        Value::Sequence(values) => values.iter_mut().for_each(|value| move_sockets(value, run)),
        Value::Mapping(fields) => fields
            .iter_mut()
            .for_each(|(_, value)| move_sockets(value, run)),
        _ => {}
    }
}

/// The filter that is delivered while Envoy runs; there is one in each listener, and others may stand around it.
fn is_plugin(filter: &Value) -> bool {
    filter.get("config_discovery").is_some()
}

fn no_plugin() -> BootstrapError {
    BootstrapError::Nothing("http_filters, a filter with config_discovery".to_owned())
}

/// The shipped cluster is of an address: for a name it says what the comment beside it says.
fn webdis(mut cluster: Value, url: &BaseUrl) -> Result<Value> {
    let endpoint = at(
        &mut cluster,
        "load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address",
    )?;
    endpoint["address"] = url.host.to_string().into();
    endpoint["port_value"] = url.port.into();
    if let Host::Name(_) = url.host {
        cluster["type"] = "STRICT_DNS".into();
        cluster["dns_lookup_family"] = "ALL".into();
    }
    Ok(cluster)
}

fn cluster(template: &Value, name: &str, url: &BaseUrl, ca: Option<&Path>) -> Result<Value> {
    let mut cluster = template.clone();
    cluster["name"] = name.into();
    cluster["load_assignment"]["cluster_name"] = name.into();
    let endpoint = at(
        &mut cluster,
        "load_assignment/endpoints/0/lb_endpoints/0/endpoint",
    )?;
    endpoint["address"]["socket_address"]["address"] = url.host.to_string().into();
    endpoint["address"]["socket_address"]["port_value"] = url.port.into();
    if matches!(url.host, Host::Address(_)) {
        cluster["type"] = "STATIC".into();
        for only_for_names in [
            "dns_lookup_family",
            "respect_dns_ttl",
            "dns_failure_refresh_rate",
        ] {
            remove(&mut cluster, only_for_names);
        }
    }
    if url.tls {
        upstream_tls(
            at(&mut cluster, "transport_socket/typed_config")?,
            &url.host,
            ca,
        )?;
    } else {
        remove(&mut cluster, "transport_socket");
        // Without TLS there is no ALPN, so nothing to choose by.
        let options = at(
            &mut cluster,
            "typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        )?;
        let http1 = at(options, "auto_config/http_protocol_options")?.clone();
        remove(options, "auto_config");
        options["explicit_http_config"] = mapping([("http_protocol_options", http1)]);
    }
    Ok(cluster)
}

fn upstream_tls(context: &mut Value, host: &Host, ca: Option<&Path>) -> Result<()> {
    let validation = at(context, "common_tls_context/validation_context")?;
    validation["trusted_ca"]["filename"] = match ca {
        Some(ca) => path(ca),
        None => path(&system_ca()?),
    };
    let name = at(validation, "match_typed_subject_alt_names/0")?;
    name["matcher"]["exact"] = host.to_string().into();
    match host {
        Host::Name(dns) => context["sni"] = dns.as_str().into(),
        Host::Address(_) => {
            name["san_type"] = "IP_ADDRESS".into();
            // RFC 6066, section 3: literal addresses are not allowed there.
            remove(context, "sni");
        }
    }
    Ok(())
}

/// Where distributions keep the CA certificates; the order is that of Go's crypto/x509.
fn system_ca() -> Result<PathBuf> {
    const FILES: [&str; 5] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    FILES
        .iter()
        .map(PathBuf::from)
        .find(|file| file.is_file())
        .ok_or_else(|| BootstrapError::NoSystemCa(FILES.join(", ")))
}

/// `envoy/plugin/goproxy.yaml` with another name, program and configuration.
#[derive(Debug, Clone)]
pub struct PluginFile(Value);

impl PluginFile {
    /// Reads what is shipped.
    ///
    /// # Errors
    /// The file is missing or not what it was.
    pub fn shipped() -> Result<Self> {
        Ok(Self(read(&places::envoy_file("plugin/goproxy.yaml")?)?))
    }

    /// The shipped configuration of the filter, JSON.
    pub fn configuration(&mut self) -> Result<String> {
        let value = at(self.config()?, "configuration/value")?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// Hands on more of Envoy's environment variables to the filter, by their names.
    pub fn hand_on<'a>(mut self, names: impl IntoIterator<Item = &'a String>) -> Result<Self> {
        let place = "vm_config/environment_variables/host_env_keys";
        let keys = sequence(at(self.config()?, place)?, place)?;
        for name in names {
            if !keys.iter().any(|key| key == name) {
                keys.push(name.as_str().into());
            }
        }
        Ok(self)
    }

    /// For a listener whose filter is called `name`.
    pub fn with(mut self, name: &str, wasm: &Path, configuration: &str) -> Result<Self> {
        at(&mut self.0, "resources/0")?["name"] = name.into();
        let config = self.config()?;
        config["name"] = name.into();
        at(config, "vm_config/code/local")?["filename"] = path(wasm);
        *at(config, "configuration/value")? = configuration.into();
        Ok(self)
    }

    /// Everything of the filter but its configuration: `vm_config`, `failure_policy`.
    pub fn config(&mut self) -> Result<&mut Value> {
        at(&mut self.0, "resources/0/typed_config/config")
    }

    /// As Envoy reads it.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        serde_yaml_ng::to_string(&self.0).unwrap_or_default()
    }
}

fn read(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file).map_err(|error| BootstrapError::Read {
        file: file.to_owned(),
        error,
    })?;
    serde_yaml_ng::from_str(&text).map_err(|error| BootstrapError::Yaml {
        file: file.to_owned(),
        error,
    })
}

/// What stands at `path` (keys and indexes, `/` between): it must be there already.
fn at<'a>(tree: &'a mut Value, path: &str) -> Result<&'a mut Value> {
    let mut here = tree;
    for step in path.split('/') {
        let next = match here {
            Value::Sequence(entries) => step
                .parse()
                .ok()
                .and_then(|index: usize| entries.get_mut(index)),
            Value::Mapping(entries) => entries.get_mut(step),
            _ => None,
        };
        here = next.ok_or_else(|| BootstrapError::Nothing(path.to_owned()))?;
    }
    Ok(here)
}

fn sequence<'a>(value: &'a mut Value, path: &str) -> Result<&'a mut Vec<Value>> {
    value
        .as_sequence_mut()
        .ok_or_else(|| BootstrapError::Nothing(path.to_owned()))
}

fn remove(value: &mut Value, key: &str) {
    if let Some(entries) = value.as_mapping_mut() {
        entries.remove(key);
    }
}

fn mapping<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Mapping(
        entries
            .into_iter()
            .map(|(key, value)| (Value::from(key), value))
            .collect::<Mapping>(),
    )
}

fn path(path: &Path) -> Value {
    path.to_string_lossy().into_owned().into()
}

fn socket_address(address: SocketAddr) -> Value {
    let mut socket = mapping([
        ("address", address.ip().to_string().into()),
        ("port_value", address.port().into()),
    ]);
    // [::] means every address of the machine, as it does for everything else that listens there.
    if address.ip() == IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED) {
        socket["ipv4_compat"] = true.into();
    }
    mapping([("socket_address", socket)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> BaseUrl {
        BaseUrl::parse(text).unwrap()
    }

    #[test]
    fn a_cluster_takes_its_address_and_its_tls_from_the_url() {
        let template = Bootstrap::shipped().unwrap().template;
        let ca = Path::new("/ca.pem");
        for (text, kind, address, port, sni, san) in [
            (
                "https://a.example",
                "LOGICAL_DNS",
                "a.example",
                443,
                Some("a.example"),
                Some(("DNS", "a.example")),
            ),
            (
                "https://10.0.0.1:8443",
                "STATIC",
                "10.0.0.1",
                8443,
                None,
                Some(("IP_ADDRESS", "10.0.0.1")),
            ),
            (
                "https://[2001:db8::1]",
                "STATIC",
                "2001:db8::1",
                443,
                None,
                Some(("IP_ADDRESS", "2001:db8::1")),
            ),
            (
                "http://a.example:3000",
                "LOGICAL_DNS",
                "a.example",
                3000,
                None,
                None,
            ),
            ("http://[::1]:3000", "STATIC", "::1", 3000, None, None),
        ] {
            let cluster = cluster(&template, "c", &url(text), Some(ca)).unwrap();
            assert_eq!(cluster["name"], "c", "{text}");
            assert_eq!(cluster["type"], kind, "{text}");
            assert_eq!(
                cluster.get("dns_lookup_family").is_some(),
                kind == "LOGICAL_DNS",
                "{text}"
            );
            let socket = &cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
                ["address"]["socket_address"];
            assert_eq!(socket["address"], address, "{text}");
            assert_eq!(socket["port_value"], port, "{text}");
            let tls = &cluster["transport_socket"]["typed_config"];
            assert_eq!(tls["sni"].as_str(), sni, "{text}");
            let validation = &tls["common_tls_context"]["validation_context"];
            let name = &validation["match_typed_subject_alt_names"][0];
            assert_eq!(
                name["san_type"]
                    .as_str()
                    .zip(name["matcher"]["exact"].as_str()),
                san,
                "{text}"
            );
            assert_eq!(
                validation["trusted_ca"]["filename"].as_str(),
                san.map(|_| "/ca.pem"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_listener_listens_where_it_is_told_and_nowhere_else() {
        let mut bootstrap = Bootstrap::shipped().unwrap();
        bootstrap.listen(0, "[::]:0".parse().unwrap()).unwrap();
        bootstrap.admin("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = &bootstrap.tree["static_resources"]["listeners"][0];
        assert_eq!(listener["address"]["socket_address"]["ipv4_compat"], true);
        assert_eq!(listener["additional_addresses"], Value::Null);
        assert_eq!(
            bootstrap.tree["admin"]["address"]["socket_address"]["port_value"],
            0
        );
    }

    #[test]
    fn what_is_not_at_its_place_is_an_error_and_not_a_second_setting() {
        let mut tree = mapping([("a", mapping([("b", 1.into())]))]);
        assert_eq!(at(&mut tree, "a/b").unwrap(), &Value::from(1));
        for absent in ["a/c", "a/b/c", "x", "a/0"] {
            assert!(at(&mut tree, absent).is_err(), "{absent}");
        }
    }
}
