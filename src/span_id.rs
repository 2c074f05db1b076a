//! Defines the ids of a trace and of its spans, by which its parts refer to each other.

use core::fmt;

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

    /// Writes an id's 16 hex digits, and returns them; empty without an id.
    pub(crate) fn hex_of(id: Option<Self>, digits: &mut [u8; 16]) -> &str {
        let Some(Self(number)) = id else {
            return "";
        };
        encoding::hex_into(digits, &number.to_be_bytes())
    }

    /// Returns 16 hex digits.
    #[must_use]
    pub(crate) fn to_hex(self) -> String {
        let mut hex = String::with_capacity(16);
        self.push_hex(&mut hex);
        hex
    }
}

/// Id of a trace, as 32 hex digits; the default is none.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TraceId(Option<[u8; 32]>);

impl TraceId {
    /// Takes 32 ASCII characters as they are; `None` for other texts.
    #[must_use]
    pub(crate) fn parse(hex: &str) -> Option<Self> {
        let digits = hex.as_bytes().try_into().ok()?;
        hex.is_ascii().then_some(Self(Some(digits)))
    }

    /// Returns the hex digits; empty if there is none.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        let digits = self.0.as_ref();
        digits.map_or("", |digits| {
            core::str::from_utf8(digits).unwrap_or_default()
        })
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
