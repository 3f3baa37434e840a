//! The Envoys that are compared, all made from the shipped file: with the gateway, with a filter that does nothing in its
//! place, and without a filter. What the gateway does, the other two have as routes.

use serde_json::json;
use serde_yaml_ng::Value;

use super::Result;
use super::load::{self, Load, Sample};
use super::report::Measured;
use super::rounds::{Spread, interleave};
use crate::bootstrap::{Bootstrap, BootstrapError, PluginFile};
use crate::gateway::{Gateway, Ready};
use crate::http::Answer;
use crate::lists;
use crate::origin::Origin;
use crate::places;
use crate::plugin_config;
use crate::running::Running;

/// Fields that Envoy writes itself, whoever answers.
const ENVOYS_OWN: [&str; 4] = ["date", "server", "content-length", "connection"];

/// Below it archives are copied into memory while they stream; the archives of 10 KiB shall be streamed each time.
const MAX_OBJECT: &str = "8KiB";

/// The origin, and the three Envoys before it.
pub(super) struct Variants {
    pub(super) origin: Origin,
    filter: Running,
    noop: Running,
    plain: Running,
}

/// What each of the three gave in one round.
pub(super) struct Round {
    pub(super) filter: Sample,
    pub(super) noop: Sample,
    pub(super) plain: Sample,
}

impl Variants {
    /// Starts them; `remembered` is the path that the gateway answers from memory, and the other two by
    /// `direct_response` with the same header and body.
    pub(super) fn start(remembered: &str) -> Result<Self> {
        let origin = Origin::start(&[])?;
        let filter = with_filter(&origin, MAX_OBJECT, false)?.start()?;
        filter.get(remembered)?;
        let hit = filter.get(remembered)?;
        if !hit
            .header("cache-status")
            .is_some_and(|status| status.contains("; hit"))
        {
            return Err(format!(
                "expected the second answer to {remembered} to be a hit, got {hit:?}"
            )
            .into());
        }
        let alike = |gateway: Gateway| {
            let (path, hit) = (remembered.to_owned(), hit.clone());
            gateway
                .upstream(&origin.url())
                .ready_when(Ready::Answers)
                .edit(move |bootstrap| routes_of_the_gateway(bootstrap, &path, &hit))
                .start()
        };
        let noop = alike(Gateway::builder().wasm(&places::noop_filter_wasm()?))?;
        let plain = alike(Gateway::builder().without_filter())?;
        for (name, envoy) in [
            ("the filter that does nothing", &noop),
            ("Envoy alone", &plain),
        ] {
            let other = envoy.get(remembered)?;
            if shape(&other) != shape(&hit) {
                return Err(format!(
                    "{name} answers {other:?}, expected the bytes and header sizes of {hit:?}"
                )
                .into());
            }
        }
        Ok(Self {
            origin,
            filter,
            noop,
            plain,
        })
    }

    /// Loads the three in turn, once before it counts.
    pub(super) fn compare(&self, rounds: usize, load: &Load) -> Result<Vec<Round>> {
        let envoys = [&self.filter, &self.noop, &self.plain];
        for envoy in envoys {
            load::measure(envoy, load)?;
        }
        let rounds = interleave(rounds, envoys.len(), |variant| {
            load::measure(envoys[variant], load)
        })?;
        let rounds = rounds
            .into_iter()
            .filter_map(|round| match round.as_slice() {
                &[filter, noop, plain] => Some(Round {
                    filter,
                    noop,
                    plain,
                }),
                _ => None,
            });
        Ok(rounds.collect())
    }
}

/// Envoy with the gateway as it is shipped, but for its upstream and the largest object that is kept in memory; its archives
/// may be `on_disk`.
pub(super) fn with_filter(origin: &Origin, max_object: &str, on_disk: bool) -> Result<Gateway> {
    with_memory(origin, &json!({"max_object": max_object}), on_disk)
}

/// The same with these fields of the cache in memory.
pub(super) fn with_memory(
    origin: &Origin,
    memory: &serde_json::Value,
    on_disk: bool,
) -> Result<Gateway> {
    let shipped = PluginFile::shipped()?.configuration()?;
    let chain = lists::chain(&origin.url())?;
    let mut configuration: serde_json::Value = serde_json::from_str(&plugin_config::make(
        &shipped,
        &chain,
        &[],
        None,
        on_disk,
        None,
    )?)?;
    configuration["cache"]["memory"] = memory.clone();
    Ok(Gateway::builder()
        .upstream(&origin.url())
        .config_json(configuration.to_string()))
}

/// Ratios of the filter to a base, by what was done in a second and by what it cost.
pub(super) fn ratio(
    rounds: &[Round],
    base: impl Fn(&Round) -> Sample,
    speed: impl Fn(&Sample) -> f64,
    cost: impl Fn(&Sample) -> f64,
) -> Option<Measured> {
    let of = |take: &dyn Fn(&Round) -> f64| Spread::of(rounds.iter().map(take));
    let spread = of(&|round| speed(&round.filter) / speed(&base(round)))?;
    Some(Measured {
        spread,
        by_cpu_time: of(&|round| cost(&base(round)) / cost(&round.filter)),
        detail: serde_json::Map::new(),
    })
}

/// The medians that a ratio was made from.
pub(super) fn medians(
    rounds: &[Round],
    speed: (&str, fn(&Sample) -> f64),
    cost: (&str, fn(&Sample) -> f64),
) -> serde_json::Value {
    let of = |take: fn(&Round) -> &Sample| {
        let median = |figure: fn(&Sample) -> f64| {
            Spread::of(rounds.iter().map(|round| figure(take(round)))).map(|spread| spread.median)
        };
        json!({speed.0: median(speed.1), cost.0: median(cost.1)})
    };
    json!({
        "with_the_filter": of(|round| &round.filter),
        "noop_filter": of(|round| &round.noop),
        "no_filter": of(|round| &round.plain),
    })
}

/// First the answer that the gateway remembers; whatever else goes to the upstream by the shipped route, which the
/// gateway chooses with a header field.
pub(super) fn routes_of_the_gateway(
    bootstrap: &mut Bootstrap,
    remembered: &str,
    hit: &Answer,
) -> std::result::Result<(), BootstrapError> {
    let upstream = bootstrap
        .cluster_names()
        .into_iter()
        .next()
        .unwrap_or_default();
    let mut forwarded = bootstrap.route(0, "forwarded")?.clone();
    let routes =
        &mut bootstrap.connection_manager(0)?["route_config"]["virtual_hosts"][0]["routes"];
    forwarded["match"] = from_json(json!({"prefix": "/"}));
    if let Some(route) = forwarded["route"].as_mapping_mut() {
        route.remove("cluster_header");
        route.insert("cluster".into(), upstream.into());
    }
    let fields: Vec<serde_json::Value> = hit
        .headers
        .iter()
        .filter(|(name, _)| !ENVOYS_OWN.contains(&name.as_str()))
        .map(|(name, value)| {
            json!({"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"})
        })
        .collect();
    let answered = from_json(json!({
        "match": {"path": remembered},
        "direct_response": {"status": hit.status, "body": {"inline_string": hit.text()}},
        "response_headers_to_add": fields,
    }));
    *routes = Value::Sequence(vec![answered, forwarded]);
    Ok(())
}

fn from_json(value: serde_json::Value) -> Value {
    serde_yaml_ng::to_value(value).unwrap_or_default()
}

/// What two answers must have in common to cost the same: status, body, and each field with the length of its value.
fn shape(answer: &Answer) -> (u16, &[u8], Vec<(&str, usize)>) {
    let mut fields: Vec<(&str, usize)> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.len()))
        .collect();
    fields.sort_unstable();
    (answer.status, &answer.body, fields)
}
