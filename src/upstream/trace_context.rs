//! Continues the client's W3C trace context if it is valid, else begins a new trace.
//!
//! <https://www.w3.org/TR/trace-context/>, version 00.

use crate::effect::Seed;
use crate::encoding;
use crate::policy::Sampling;
use crate::span_id::SpanId;

/// Maximum bytes of a forwarded `tracestate` (section 3.3.1.5).
const MAX_STATE_LENGTH: usize = 512;

/// Position of a request in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace<'a> {
    /// `traceparent` for the origin: the trace, and the span of the wait for its response.
    pub parent: String,
    /// `tracestate` for the origin; only with a continued trace.
    pub state: Option<&'a str>,
    /// Span of the request.
    pub span: SpanId,
    /// Parent span that the client sent.
    pub caller: &'a str,
    /// Whether the spans are exported.
    pub is_sampled: bool,
}

impl<'a> Trace<'a> {
    /// Continues `parent` if it is valid; begins a new trace otherwise. Without an exporter a new trace is marked as
    /// sampled, so that an origin that follows its parent's decision can export.
    #[must_use]
    pub(crate) fn follow(
        parent: Option<&'a str>,
        state: Option<&'a str>,
        seed: &Seed,
        sampling: Sampling,
    ) -> Self {
        let (own_trace, own_span) = seed.split_at(16);
        let bits = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |all, byte| all << 8 | u64::from(*byte))
        };
        let span = SpanId::new(bits(own_span));
        let mut text = String::with_capacity(55);
        text.push_str("00-");
        let continued = parent.and_then(sound);
        match &continued {
            Some(caller) => text.push_str(caller.trace),
            None => encoding::push_hex(&mut text, own_trace),
        }
        text.push('-');
        span.of_stage(1).push_hex(&mut text);
        let asked = sampling.callers && continued.as_ref().is_some_and(Caller::is_sampled);
        let drawn = |of: u64| of > 0 && bits(own_trace.get(8..).unwrap_or_default()) % of == 0;
        let is_sampled = sampling.one_in.is_some_and(|of| asked || drawn(of));
        text.push_str(match (&continued, sampling.one_in) {
            (Some(caller), None) if !caller.is_sampled() => "-00",
            (_, Some(_)) if !is_sampled => "-00",
            _ => "-01",
        });
        let state = state.filter(|state| continued.is_some() && state.len() <= MAX_STATE_LENGTH);
        Self {
            parent: text,
            state,
            span,
            caller: continued.map_or("", |caller| caller.span),
            is_sampled,
        }
    }

    /// Returns the trace id: 32 hex digits, by which an operator finds the request.
    #[must_use]
    pub(crate) fn id(&self) -> &str {
        self.parent.get(3..35).unwrap_or_default()
    }
}

/// Caller of a valid `traceparent`.
struct Caller<'a> {
    trace: &'a str,
    span: &'a str,
    flags: &'a str,
}

impl Caller<'_> {
    fn is_sampled(&self) -> bool {
        u8::from_str_radix(self.flags, 16).is_ok_and(|flags| flags & 1 == 1)
    }
}

fn sound(parent: &str) -> Option<Caller<'_>> {
    let lower_hex = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let mut parts = parent.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let well_formed = version == "00"
        && (trace.len(), span.len(), flags.len()) == (32, 16, 2)
        && [trace, span, flags].into_iter().all(lower_hex)
        && parts.next().is_none();
    let named = trace.bytes().any(|b| b != b'0') && span.bytes().any(|b| b != b'0');
    (well_formed && named).then_some(Caller { trace, span, flags })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    const SEED: Seed = [7; 24];

    fn follow<'a>(parent: &'a str, state: &'a str, one_in: Option<u64>) -> Trace<'a> {
        let sampling = Sampling {
            one_in,
            callers: true,
        };
        Trace::follow(Some(parent), Some(state), &SEED, sampling)
    }

    #[test]
    fn valid_trace_is_continued_with_a_new_span() {
        let trace = follow(PARENT, "a=b", None);
        assert_eq!(trace.id(), "0af7651916cd43dd8448eb211c80319c");
        assert!(trace.parent.ends_with("-0707070707070708-00"));
        assert_eq!(trace.span.to_hex(), "0707070707070707");
        assert_eq!(trace.caller, "b7ad6b7169203331");
        assert_eq!(trace.state, Some("a=b"));
        assert_eq!(follow(PARENT, &"x".repeat(513), None).state, None);
    }

    #[test]
    fn invalid_trace_is_replaced_with_its_state() {
        for parent in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-00",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-x",
        ] {
            let trace = follow(parent, "a=b", None);
            assert!(
                trace.state.is_none() && trace.parent.len() == 55,
                "{parent}"
            );
            assert_eq!(trace.id(), "07070707070707070707070707070707");
            assert_eq!(trace.caller, "");
        }
    }

    #[test]
    fn sampling_follows_the_rate_and_the_caller() {
        let asked = format!("{}01", &PARENT[..53]);
        for (parent, sampled, exported, flags) in [
            (PARENT, None, false, "-00"),
            (&asked, None, false, "-01"),
            ("", None, false, "-01"),
            (&asked, Some(0), true, "-01"),
            ("", Some(0), false, "-00"),
            ("", Some(1), true, "-01"),
            (PARENT, Some(1), true, "-01"),
            (PARENT, Some(1_000_003), false, "-00"),
        ] {
            let trace = follow(parent, "", sampled);
            assert_eq!(trace.is_sampled, exported, "{parent} {sampled:?}");
            assert!(trace.parent.ends_with(flags), "{parent} {sampled:?}");
        }
        let drawn = (0..10_000_u64).filter(|n| {
            let mut seed = [0; 24];
            seed[8..16].copy_from_slice(&(n * 7_919).to_be_bytes());
            let sampling = Sampling {
                one_in: Some(10),
                callers: false,
            };
            Trace::follow(Some(&asked), None, &seed, sampling).is_sampled
        });
        assert_eq!(drawn.count(), 1_000);
    }
}
