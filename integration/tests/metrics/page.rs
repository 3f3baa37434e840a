//! A page in Prometheus' text format, as far as it is the gateway's.

use goproxy_pages::metrics::{FAMILIES, Family, PREFIX, Shape};

/// The samples that begin with the gateway's prefix.
pub(crate) struct Page {
    text: String,
    samples: Vec<Sample>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sample {
    /// Without the prefix.
    name: String,
    labels: Vec<(String, String)>,
    value: u64,
}

impl Page {
    pub(crate) fn read(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.strip_prefix(PREFIX));
        Self {
            text: text.to_owned(),
            samples: lines.map(Sample::read).collect(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The value of the sample with exactly these labels, in whatever order.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
        let is_same = |sample: &&Sample| {
            sample.name == name
                && sample.labels.len() == labels.len()
                && labels.iter().all(|(label, value)| {
                    let has = |(l, v): &(String, String)| l == label && v == value;
                    sample.labels.iter().any(has)
                })
        };
        let mut found = self.samples.iter().filter(is_same);
        let value = found.next().map(|sample| sample.value);
        assert!(found.next().is_none(), "{name} {labels:?} twice");
        value
    }

    /// All samples but those that a label's value sets apart, in an order of their own.
    pub(crate) fn without(&self, label: &str, value: &str) -> Vec<Sample> {
        let apart = |(l, v): &(String, String)| l == label && v == value;
        let samples = self.samples.iter();
        let mut rest: Vec<_> = samples
            .filter(|sample| !sample.labels.iter().any(apart))
            .cloned()
            .collect();
        for sample in &mut rest {
            sample.labels.sort();
        }
        rest.sort();
        rest
    }

    /// All samples of a family.
    pub(crate) fn of(&self, family: &Family) -> Vec<&Sample> {
        let samples = self.samples.iter();
        samples.filter(|sample| sample.is_of(family)).collect()
    }

    /// Every sample is of one family of the list, and has its labels.
    pub(crate) fn assert_listed(&self) {
        assert!(!self.samples.is_empty());
        for sample in &self.samples {
            let family = FAMILIES.iter().find(|family| sample.is_of(family));
            let family = family.unwrap_or_else(|| panic!("{sample:?} is of no family"));
            let mut expected: Vec<&str> = family.labels.to_vec();
            if sample.name.ends_with("_bucket") {
                expected.push("le");
            }
            let mut labels: Vec<&str> = sample.labels.iter().map(|(l, _)| l.as_str()).collect();
            expected.sort_unstable();
            labels.sort_unstable();
            assert_eq!(labels, expected, "{sample:?}");
        }
    }
}

impl Sample {
    fn read(line: &str) -> Self {
        let (rest, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = rest.split_once('{').unwrap_or((rest, "}"));
        let labels = labels.strip_suffix('}').expect("labels end");
        let labels = labels.split(',').filter(|label| !label.is_empty());
        let label = |label: &str| {
            let (name, value) = label.split_once('=').expect("a label");
            (name.to_owned(), value.trim_matches('"').to_owned())
        };
        Self {
            name: name.to_owned(),
            labels: labels.map(label).collect(),
            value: value.parse().unwrap_or_else(|_| panic!("{line}")),
        }
    }

    fn is_of(&self, family: &Family) -> bool {
        let suffix = self.name.strip_prefix(family.name);
        suffix.is_some_and(|suffix| match family.shape {
            Shape::Histogram => matches!(suffix, "_bucket" | "_sum" | "_count"),
            Shape::Counter | Shape::Gauge => suffix.is_empty(),
        })
    }
}
