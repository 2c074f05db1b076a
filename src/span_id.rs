//! Defines span ids, by which the parts of a trace refer to each other.

use crate::encoding;

/// Id of a span. The ids of a request's stages follow the request's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpanId(u64);

impl SpanId {
    /// Creates an id from a number. Zero is invalid and becomes 1.
    #[must_use]
    pub(crate) fn new(number: u64) -> Self {
        Self(number.max(1))
    }

    /// Parses 16 hex digits.
    #[must_use]
    pub(crate) fn parse(hex: &str) -> Option<Self> {
        u64::from_str_radix(hex, 16).ok().map(Self)
    }

    /// Returns the id of a stage; stage 1 is the origin's response.
    #[must_use]
    pub(crate) fn of_stage(self, number: u64) -> Self {
        Self::new(self.0.wrapping_add(number))
    }

    /// Appends 16 hex digits.
    pub(crate) fn push_hex(self, text: &mut String) {
        encoding::push_hex(text, &self.0.to_be_bytes());
    }

    /// Returns 16 hex digits.
    #[must_use]
    pub(crate) fn to_hex(self) -> String {
        let mut hex = String::with_capacity(16);
        self.push_hex(&mut hex);
        hex
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_span_ids_are_distinct_and_nonzero() {
        let last = SpanId::parse("ffffffffffffffff").unwrap();
        assert_eq!(last.of_stage(1).to_hex(), "0000000000000001");
        assert_eq!(last.of_stage(3).to_hex(), "0000000000000002");
    }
}
