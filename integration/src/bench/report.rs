//! What was measured: a table for people, and `target/bench/report.json` for programs.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::rounds::Spread;

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Target {
    /// And what is aimed at beyond it.
    AtLeast(f64, Option<f64>),
    AtMost(f64),
    Exactly(f64),
    /// Told for the record.
    None,
}

impl Target {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least, _) => value >= least,
            Self::AtMost(most) => value <= most,
            Self::Exactly(wanted) => (value - wanted).abs() < f64::EPSILON,
            Self::None => true,
        }
    }

    fn to_json(self) -> (Value, Value) {
        match self {
            Self::AtLeast(least, _) => (json!(least), json!(">=")),
            Self::AtMost(most) => (json!(most), json!("<=")),
            Self::Exactly(wanted) => (json!(wanted), json!("==")),
            Self::None => (Value::Null, Value::Null),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least, None) => write!(f, ">= {}", number(*least)),
            Self::AtLeast(least, Some(aim)) => {
                write!(f, ">= {} (aim {})", number(*least), number(*aim))
            }
            Self::AtMost(most) => write!(f, "<= {}", number(*most)),
            Self::Exactly(wanted) => write!(f, "{}", number(*wanted)),
            Self::None => write!(f, "-"),
        }
    }
}

/// One line of the report.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) key: String,
    pub(super) target: Target,
    pub(super) unit: &'static str,
    /// Why it could not be measured, if it could not.
    pub(super) measured: std::result::Result<Measured, String>,
}

/// What a measurement gives.
#[derive(Debug)]
pub(super) struct Measured {
    /// Its median is the figure's value.
    pub(super) spread: Spread,
    /// The same by processor time, which other work on the machine changes far less.
    pub(super) by_cpu_time: Option<Spread>,
    /// What it was made from, and what must be known to read it.
    pub(super) detail: Map<String, Value>,
}

impl Measured {
    pub(super) fn plain(spread: Spread) -> Self {
        Self {
            spread,
            by_cpu_time: None,
            detail: Map::new(),
        }
    }

    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }
}

impl Figure {
    /// One figure of what was taken; several may be made of the same.
    pub(super) fn of<T>(
        key: &str,
        target: Target,
        unit: &'static str,
        taken: &super::Result<T>,
        make: impl FnOnce(&T) -> Option<Measured>,
    ) -> Self {
        let measured = match taken {
            Ok(taken) => make(taken).ok_or_else(|| "no sample was taken".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        Self {
            key: key.to_owned(),
            target,
            unit,
            measured,
        }
    }

    pub(super) fn is_met(&self) -> bool {
        self.measured
            .as_ref()
            .is_ok_and(|measured| self.target.is_met_by(measured.spread.median))
    }

    fn to_json(&self) -> Value {
        let (target, comparison) = self.target.to_json();
        let mut figure = json!({"unit": self.unit, "target": target, "comparison": comparison, "ok": self.is_met()});
        if let Target::AtLeast(_, Some(aim)) = self.target {
            figure["aim"] = json!(aim);
        }
        match &self.measured {
            Ok(measured) => {
                figure["value"] = json!(measured.spread.median);
                for (name, value) in spread_json(&measured.spread) {
                    figure[name] = value;
                }
                if let Some(by_cpu_time) = &measured.by_cpu_time {
                    figure["by_cpu_time"] = Value::Object(spread_json(by_cpu_time));
                }
                figure["detail"] = Value::Object(measured.detail.clone());
            }
            Err(why) => {
                figure["value"] = Value::Null;
                figure["error"] = json!(why);
            }
        }
        figure
    }

    fn row(&self) -> [String; 6] {
        let target = self.target.to_string();
        let verdict = match (&self.measured, self.target) {
            (Err(_), _) => "NOT MEASURED",
            (Ok(_), Target::None) => "",
            (Ok(_), _) if self.is_met() => "ok",
            (Ok(_), _) => "MISSED",
        };
        let (value, spread, cpu) = match &self.measured {
            Err(why) => (
                "-".to_owned(),
                why.lines().next().unwrap_or_default().to_owned(),
                String::new(),
            ),
            Ok(measured) => {
                let Spread {
                    median,
                    min,
                    max,
                    runs,
                    ..
                } = measured.spread;
                let spread = match runs {
                    1 => String::new(),
                    _ => format!("{} .. {}  of {runs}", number(min), number(max)),
                };
                let cpu = measured
                    .by_cpu_time
                    .map(|cpu| number(cpu.median))
                    .unwrap_or_default();
                (number(median), spread, cpu)
            }
        };
        [
            self.key.clone(),
            value,
            target,
            verdict.to_owned(),
            spread,
            cpu,
        ]
    }
}

fn spread_json(spread: &Spread) -> Map<String, Value> {
    let fields = [
        ("median", json!(spread.median)),
        ("min", json!(spread.min)),
        ("lower_quartile", json!(spread.lower_quartile)),
        ("upper_quartile", json!(spread.upper_quartile)),
        ("max", json!(spread.max)),
        ("runs", json!(spread.runs)),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// As many digits as say something: a ratio has two, a large number its thousands.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value.fract() == 0.0 || magnitude >= 1000.0 {
        let digits = format!("{:.0}", magnitude);
        let mut grouped = String::new();
        for (position, digit) in digits.chars().enumerate() {
            if position > 0 && (digits.len() - position).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        return if value < 0.0 {
            format!("-{grouped}")
        } else {
            grouped
        };
    }
    if magnitude >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

/// The table for people.
pub(super) fn table(figures: &[Figure]) -> String {
    let head = ["", "median", "target", "", "spread", "by CPU time"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head)
        .chain(figures.iter().map(Figure::row))
        .collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut table = String::new();
    for row in &rows {
        let [key, value, target, verdict, spread, cpu] = row;
        let [a, b, c, d, e, _] = widths;
        let line = format!("{key:a$}  {value:>b$}  {target:c$}  {verdict:d$}  {spread:e$}  {cpu}");
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

/// Writes `report.json`; its keys are the figures' names. Tells where it is.
///
/// # Errors
/// The disk.
pub(super) fn write(folder: &Path, figures: &[Figure]) -> std::io::Result<PathBuf> {
    let report: Map<String, Value> = figures
        .iter()
        .map(|figure| (figure.key.clone(), figure.to_json()))
        .collect();
    std::fs::create_dir_all(folder)?;
    let file = folder.join("report.json");
    let mut text = serde_json::to_string_pretty(&report)?;
    text.push('\n');
    std::fs::write(&file, text)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(target: Target, values: &[f64]) -> Figure {
        let measured = Spread::of(values.iter().copied())
            .map(Measured::plain)
            .ok_or("no answer".to_owned());
        Figure {
            key: "some_ratio".to_owned(),
            target,
            unit: "ratio",
            measured,
        }
    }

    #[test]
    fn a_target_that_is_missed_or_not_measured_is_not_ok() {
        for (target, values, ok) in [
            (
                Target::AtLeast(0.55, Some(0.65)),
                &[0.5, 0.56, 0.6][..],
                true,
            ),
            (Target::AtLeast(0.55, None), &[0.5, 0.54, 0.6], false),
            (Target::AtMost(150.0), &[150.0], true),
            (Target::AtMost(150.0), &[150.1], false),
            (Target::Exactly(1.0), &[1.0], true),
            (Target::Exactly(1.0), &[2.0], false),
            (Target::None, &[2.0], true),
            (Target::None, &[], false),
        ] {
            let figure = figure(target, values);
            assert_eq!(figure.to_json()["ok"], ok, "{target:?} {values:?}");
            assert_eq!(figure.is_met(), ok, "{target:?} {values:?}");
        }
    }

    #[test]
    fn the_table_names_what_was_missed() {
        let table = table(&[
            figure(Target::AtLeast(0.55, None), &[0.5]),
            figure(Target::AtMost(1.0), &[]),
        ]);
        assert!(table.contains("MISSED"), "{table}");
        assert!(table.contains("NOT MEASURED"), "{table}");
    }

    #[test]
    fn numbers_are_written_for_people() {
        for (value, text) in [
            (0.5512, "0.551"),
            (31.27, "31.3"),
            (437_069.0, "437,069"),
            (1.0, "1"),
            (-1234.5, "-1,234"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
