//! A row of the table: what each of those measured needed in each round, medians and ratios, and the goal. Rounds are
//! compared with themselves: what disturbs one disturbs all who take part in it.

use std::fmt::{self, Display, Formatter};

use super::stage::{BRIDGE, DIRECT, FLOOR};

/// What was measured.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What is counted.
    pub unit: &'static str,
    /// What is wanted of the bridge.
    pub goal: Option<Goal>,
    /// For each of those measured the figure of each round; none where it has none.
    pub values: Vec<Vec<f64>>,
}

/// What is wanted of the bridge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At most so many times the floor's figure.
    AtMostTimesFloor(f64),
    /// At least so many times the floor's figure.
    AtLeastTimesFloor(f64),
    /// At most so much more than the floor's figure.
    AtMostAboveFloor(f64),
    /// At most so much.
    AtMost(f64),
}

impl Row {
    /// A row without figures, for so many that are measured.
    #[must_use]
    pub fn new(name: impl Into<String>, unit: &'static str, goal: Option<Goal>, subjects: usize) -> Self {
        Row { name: name.into(), unit, goal, values: vec![Vec::new(); subjects] }
    }

    /// Adds the figure of a round.
    pub fn add(&mut self, subject: usize, value: f64) {
        self.values[subject].push(value);
    }

    /// The median of the rounds; not a number where there is none.
    #[must_use]
    pub fn median(&self, subject: usize) -> f64 {
        median(self.values[subject].iter().copied())
    }

    /// The median of the ratios, round by round, to the direct call.
    #[must_use]
    pub fn to_direct(&self, subject: usize) -> f64 {
        self.ratio(subject, DIRECT)
    }

    /// The median of the ratios, round by round, to the floor.
    #[must_use]
    pub fn to_floor(&self, subject: usize) -> f64 {
        self.ratio(subject, FLOOR)
    }

    /// Whether the bridge is where it should be; `None` without a goal or without figures.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        let (value, met) = match self.goal? {
            Goal::AtMostTimesFloor(most) => (self.to_floor(BRIDGE), self.to_floor(BRIDGE) <= most),
            Goal::AtLeastTimesFloor(least) => (self.to_floor(BRIDGE), self.to_floor(BRIDGE) >= least),
            Goal::AtMostAboveFloor(most) => (self.above_floor(), self.above_floor() <= most),
            Goal::AtMost(most) => (self.median(BRIDGE), self.median(BRIDGE) <= most),
        };
        value.is_finite().then_some(met)
    }

    fn above_floor(&self) -> f64 {
        median(self.values[BRIDGE].iter().zip(&self.values[FLOOR]).map(|(bridge, floor)| bridge - floor))
    }

    fn ratio(&self, subject: usize, to: usize) -> f64 {
        median(self.values[subject].iter().zip(&self.values[to]).map(|(value, other)| value / other))
    }
}

impl Display for Goal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Goal::AtMostTimesFloor(times) => write!(f, "≤ {times} × floor"),
            Goal::AtLeastTimesFloor(times) => write!(f, "≥ {times} × floor"),
            Goal::AtMostAboveFloor(more) => write!(f, "≤ floor + {more}"),
            Goal::AtMost(most) => write!(f, "≤ {most}"),
        }
    }
}

/// The middle one, or the mean of the two in the middle; not a number where there is none.
#[must_use]
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The value that so many of a hundred do not exceed (nearest rank); not a number where there is none.
#[must_use]
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_the_mean_of_two() {
        for (values, expected) in [(&[3.0, 1.0, 2.0][..], 2.0), (&[4.0, 1.0, 2.0, 3.0], 2.5), (&[7.0], 7.0)] {
            assert!((median(values.iter().copied()) - expected).abs() < f64::EPSILON, "{values:?}");
        }
        assert!(median([].into_iter()).is_nan());
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        for (percent, expected) in [(50, 100.0), (99, 198.0), (100, 200.0)] {
            assert!((percentile(&values, percent) - expected).abs() < f64::EPSILON, "{percent}");
        }
    }

    #[test]
    fn a_ratio_compares_each_round_with_itself() {
        let mut row = Row::new("a call", "µs", Some(Goal::AtMostTimesFloor(1.5)), 3);
        // The second round was disturbed for both: the ratio of the medians would be 2.
        for (floor, bridge) in [(10.0, 12.0), (100.0, 120.0), (5.0, 6.0), (10.0, 24.0), (20.0, 24.0)] {
            row.add(FLOOR, floor);
            row.add(BRIDGE, bridge);
        }
        assert!((row.to_floor(BRIDGE) - 1.2).abs() < 1e-9);
        assert_eq!(row.is_met(), Some(true));
        assert!(row.to_direct(BRIDGE).is_nan());
    }

    #[test]
    fn a_goal_without_figures_is_neither_met_nor_missed() {
        assert_eq!(Row::new("memory", "MB", Some(Goal::AtMost(8.0)), 3).is_met(), None);
    }
}
