//! Defines gauges: current values.

use core::fmt;

use serde::Serialize;

/// One metric, the values of its labels, and how much.
pub(crate) type Gauge = (&'static str, String, Milli);

/// A number of up to three decimals. Nothing that is measured here needs more, and code that writes floats
/// as decimals is large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Milli(pub u64);

impl Milli {
    /// A whole number.
    #[must_use]
    pub(crate) fn of(number: u64) -> Self {
        Self(number.saturating_mul(1_000))
    }

    /// Without what is behind the point.
    #[must_use]
    pub(crate) fn whole(self) -> u64 {
        self.0 / 1_000
    }
}

impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000, self.0 % 1_000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let text = format!("{rest:03}");
        write!(f, "{whole}.{}", text.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_has_no_trailing_zeros() {
        for (milli, text) in [
            (0, "0"),
            (1, "0.001"),
            (7_500, "7.5"),
            (25, "0.025"),
            (10_000, "10"),
        ] {
            assert_eq!(Milli(milli).to_string(), text);
        }
    }
}
