//! Defines gauges: current values.

use core::fmt;

use serde::Serialize;

/// Gauge: metric, label values, and value.
pub(crate) type Gauge = (&'static str, String, Milli);

/// Number with up to three decimals, in thousandths. No gauge needs more, and code that formats floats is large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Milli(pub u64);

impl Milli {
    /// Converts a whole number.
    #[must_use]
    pub(crate) fn of(number: u64) -> Self {
        Self(number.saturating_mul(1_000))
    }

    /// Returns the integer part.
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
