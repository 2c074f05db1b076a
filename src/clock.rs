//! Time as the core sees it: whole units, passed in, never read from a system clock.

use core::fmt;
use core::ops::Add;

/// A span of whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(pub u64);

/// Seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub u64);

/// Milliseconds since the Unix epoch: the precision the runtime offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The second this instant falls in.
    #[must_use]
    pub fn seconds(self) -> UnixSeconds {
        UnixSeconds(self.0 / 1000)
    }

    /// Milliseconds from `earlier` to `self`; 0 when `earlier` lies in the future.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl UnixSeconds {
    /// The span from `earlier` to `self`; zero when `earlier` lies in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Seconds {
        Seconds(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Seconds> for UnixSeconds {
    type Output = Self;

    fn add(self, span: Seconds) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A duration that is not of the form `<number><unit>`, or is out of range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadDuration(pub String);

impl fmt::Display for BadDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a duration; write a whole number and a unit, for example 90s, 30m, 8h or 7d",
            self.0
        )
    }
}

impl Seconds {
    /// Parses `90s`, `30m`, `8h` or `7d`. Zero is allowed; a bare number is not, because its unit
    /// would be a guess.
    ///
    /// # Errors
    /// [`BadDuration`] when there is no unit, an unknown one, or the span overflows 64 bits.
    pub fn parse(text: &str) -> Result<Self, BadDuration> {
        let bad = || BadDuration(text.to_owned());
        let (digits, unit) = text
            .char_indices()
            .last()
            .and_then(|(at, _)| text.split_at_checked(at))
            .ok_or_else(bad)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad());
        }
        let number: u64 = digits.parse().map_err(|_| bad())?;
        let scale = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(bad()),
        };
        number.checked_mul(scale).map(Self).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_a_unit() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("30m", 1_800),
            ("8h", 28_800),
            ("7d", 604_800),
        ] {
            assert_eq!(Seconds::parse(text), Ok(Seconds(seconds)), "{text}");
        }
        for text in [
            "",
            "s",
            "5",
            "-5s",
            "1.5h",
            "5 m",
            "5w",
            "99999999999999999999s",
            "é",
            "5é",
        ] {
            assert!(Seconds::parse(text).is_err(), "{text}");
        }
    }
}
