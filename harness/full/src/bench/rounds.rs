//! The arithmetic: medians over rounds, and what one variant costs more than another in the same
//! round.

/// What one turn cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// CPU time in nanoseconds.
    pub cpu_ns: u64,
    /// Requests answered.
    pub requests: u64,
}

impl Sample {
    /// CPU time of one request, in microseconds.
    pub fn micros(self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // far below 2^52
        let (cpu, requests) = (self.cpu_ns as f64, self.requests.max(1) as f64);
        cpu / requests / 1_000.0
    }
}

/// The turns of one variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rounds {
    /// Its name.
    pub name: String,
    /// One sample a round.
    pub samples: Vec<Sample>,
}

impl Rounds {
    /// No turns yet.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            samples: Vec::new(),
        }
    }

    /// Median CPU time of a request, in microseconds.
    pub fn median(&self) -> f64 {
        median(self.samples.iter().map(|sample| sample.micros()))
    }

    /// Median of the differences to `base` in the same round, in microseconds.
    pub fn added(&self, base: &Self) -> f64 {
        median(self.beside(base).map(|(mine, base)| mine - base))
    }

    /// Median of the ratios to `base` in the same round.
    pub fn ratio(&self, base: &Self) -> f64 {
        median(self.ratios(base))
    }

    /// The ratio to `base` in each round.
    pub fn ratios<'a>(&'a self, base: &'a Self) -> impl Iterator<Item = f64> + 'a {
        self.beside(base).map(|(mine, base)| mine / base)
    }

    fn beside<'a>(&'a self, base: &'a Self) -> impl Iterator<Item = (f64, f64)> + 'a {
        let both = self.samples.iter().zip(&base.samples);
        both.map(|(mine, base)| (mine.micros(), base.micros()))
    }
}

/// The value below which this part of the values lies, between the two nearest in proportion; 0 of
/// none.
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss)] // a few rounds
    let place = part * sorted.len().saturating_sub(1) as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 0 and their number
    let below = place.floor() as usize;
    let at = |index: usize| sorted.get(index).or(sorted.last()).copied();
    let (Some(low), Some(high)) = (at(below), at(below.saturating_add(1))) else {
        return 0.0;
    };
    low + (high - low) * place.fract()
}

/// The middle value; the mean of the two middle ones of an even number; 0 of none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(at(upper.saturating_sub(1)), at(upper))
    } else {
        at(upper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(micros: &[u64]) -> Rounds {
        let samples = micros.iter().map(|micros| Sample {
            cpu_ns: micros * 1_000_000,
            requests: 1_000,
        });
        Rounds {
            name: String::new(),
            samples: samples.collect(),
        }
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert_eq!(median(std::iter::empty()), 0.0);
    }

    #[test]
    fn quantiles_lie_between_the_nearest_values() {
        let values = [4.0, 1.0, 3.0, 2.0, 5.0];
        let at = |part| quantile(&values, part);
        assert_eq!([at(0.0), at(0.25), at(0.5), at(1.0)], [1.0, 2.0, 3.0, 5.0]);
        assert_eq!(quantile(&[1.0, 2.0], 0.75), 1.75);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn variants_are_compared_round_by_round() {
        // The second round was slow for both: the difference is the same.
        let (base, filter) = (rounds(&[10, 30, 10]), rounds(&[15, 35, 15]));
        assert_eq!(
            (filter.median(), filter.added(&base), filter.ratio(&base)),
            (15.0, 5.0, 1.5)
        );
    }
}
