//! Two runs, of a change and of what was before it: what is better, what is worse, and what the
//! rounds of each cannot tell.
//!
//! Compared is the ratio to the bare request of the same round, which moves less with the machine
//! than the time itself. It counts as changed where the middle halves of both runs' rounds do not
//! overlap.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::BARE;
use super::rounds::{Rounds, Sample, quantile};

/// A run, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The release of Envoy.
    pub envoy: String,
    /// CPU time in nanoseconds and requests of each round, by variant.
    pub rounds: BTreeMap<String, Vec<(u64, u64)>>,
}

impl Run {
    /// What was measured.
    #[must_use]
    pub fn of(envoy: &str, measured: &[Rounds]) -> Self {
        let pair = |sample: &Sample| (sample.cpu_ns, sample.requests);
        Self {
            envoy: envoy.to_owned(),
            rounds: measured
                .iter()
                .map(|one| (one.name.clone(), one.samples.iter().map(pair).collect()))
                .collect(),
        }
    }

    /// Reads one that was kept.
    ///
    /// # Errors
    /// If the file cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| shown.to_string())?;
        serde_json::from_str(&text).with_context(|| format!("{shown} is no run of the bench"))
    }

    /// Keeps it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string(self)? + "\n";
        std::fs::write(path, text).with_context(|| path.display().to_string())
    }

    fn of_name(&self, name: &str) -> Option<Rounds> {
        let samples = self.rounds.get(name)?.iter();
        Some(Rounds {
            name: name.to_owned(),
            samples: samples
                .map(|(cpu_ns, requests)| Sample {
                    cpu_ns: *cpu_ns,
                    requests: *requests,
                })
                .collect(),
        })
    }

    /// The quartiles of a variant's ratio to the bare request.
    fn quartiles(&self, name: &str) -> Option<[f64; 3]> {
        let (one, bare) = (self.of_name(name)?, self.of_name(BARE)?);
        let ratios: Vec<f64> = one.ratios(&bare).collect();
        (!ratios.is_empty()).then(|| [0.25, 0.5, 0.75].map(|part| quantile(&ratios, part)))
    }
}

/// What a change has made of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It costs less.
    Better,
    /// It costs more.
    Worse,
    /// The rounds of the runs overlap.
    Noise,
}

impl Verdict {
    fn of(before: [f64; 3], after: [f64; 3]) -> Self {
        match (before, after) {
            ([low, ..], [.., high]) if high < low => Self::Better,
            ([.., high], [low, ..]) if low > high => Self::Worse,
            _ => Self::Noise,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Noise => "noise",
        }
    }
}

/// The variants that both runs have, with the verdict on each.
#[must_use]
pub fn table(before: &Run, after: &Run) -> String {
    let mut table =
        String::from("| | × bare before | × bare after | change | |\n|---|---|---|---|---|\n");
    for name in after.rounds.keys().filter(|name| *name != BARE) {
        let (Some(was), Some(is)) = (before.quartiles(name), after.quartiles(name)) else {
            continue;
        };
        let ([was_low, was_middle, was_high], [low, middle, high]) = (was, is);
        table.push_str(&format!(
            "| {name} | {was_middle:.2} ({was_low:.2}–{was_high:.2}) | {middle:.2} ({low:.2}–{high:.2}) | {:+.1} % | {} |\n",
            (middle / was_middle - 1.0) * 100.0,
            Verdict::of(was, is).word()
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of the bare request of 10 µs each, and of another one.
    fn run(micros: [u64; 5]) -> Run {
        let samples = |micros: &[u64]| micros.iter().map(|one| (one * 1_000, 1)).collect();
        Run {
            envoy: "1.40.0".to_owned(),
            rounds: [
                (BARE.to_owned(), samples(&[10; 5])),
                ("chain".to_owned(), samples(&micros)),
            ]
            .into(),
        }
    }

    #[test]
    fn what_overlaps_is_noise() {
        let before = run([20, 21, 22, 23, 24]);
        for (after, word) in [
            ([17, 18, 18, 19, 30], "better"),
            ([25, 26, 26, 27, 10], "worse"),
            ([19, 20, 22, 23, 25], "noise"),
        ] {
            let table = table(&before, &run(after));
            let row = table.lines().last().unwrap();
            assert!(row.starts_with("| chain | 2.20 (2.10–2.30) | "), "{row}");
            assert!(row.ends_with(&format!("| {word} |")), "{row}");
        }
        let other = Run {
            rounds: BTreeMap::from([("new".to_owned(), vec![(1, 1)])]),
            ..run([1; 5])
        };
        assert_eq!(table(&before, &other).lines().count(), 2);
    }

    #[test]
    fn a_run_is_kept_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.json");
        let kept = run([1, 2, 3, 4, 5]);
        kept.write(&file).unwrap();
        assert_eq!(Run::read(&file).unwrap(), kept);
        std::fs::write(&file, "[]").unwrap();
        assert!(Run::read(&file).is_err());
        let measured = [kept.of_name("chain").unwrap(), kept.of_name(BARE).unwrap()];
        assert_eq!(Run::of("1.40.0", &measured), kept);
    }
}
