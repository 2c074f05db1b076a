//! W3C trace context: continued when the client sent a sound one, else begun here.
//!
//! <https://www.w3.org/TR/trace-context/>, version 00.

use rand_chacha::rand_core::Rng;

use crate::encoding;

/// The longest `tracestate` that is passed on (section 3.3.1.5).
const LONGEST_STATE: usize = 512;

/// One request's place in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace<'a> {
    /// `traceparent` for the origin: the caller's trace, our span.
    pub parent: String,
    /// `tracestate` for the origin; only ever beside a continued trace.
    pub state: Option<&'a str>,
}

impl<'a> Trace<'a> {
    /// Continues `parent` if it is sound; begins a new trace otherwise. A new one is marked
    /// sampled, so that an origin which follows its parent's decision decides for itself.
    #[must_use]
    pub fn follow(parent: Option<&str>, state: Option<&'a str>, random: &mut impl Rng) -> Self {
        let mut fresh = [0; 24];
        random.fill_bytes(&mut fresh);
        let (trace_id, span_id) = fresh.split_at(16);
        let mut text = String::with_capacity(55);
        text.push_str("00-");
        let continued = parent.and_then(sound);
        match continued {
            Some((trace_id, _)) => text.push_str(trace_id),
            None => encoding::push_hex(&mut text, trace_id),
        }
        text.push('-');
        encoding::push_hex(&mut text, span_id);
        text.push('-');
        text.push_str(continued.map_or("01", |(_, flags)| flags));
        let state = state.filter(|state| continued.is_some() && state.len() <= LONGEST_STATE);
        Self {
            parent: text,
            state,
        }
    }

    /// The trace id: 32 hex digits, by which a person finds the request again.
    #[must_use]
    pub fn id(&self) -> &str {
        self.parent.get(3..35).unwrap_or_default()
    }
}

/// Trace id and flags of a sound `traceparent`.
fn sound(parent: &str) -> Option<(&str, &str)> {
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
    (well_formed && named).then_some((trace, flags))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    fn follow<'a>(parent: &str, state: &'a str) -> Trace<'a> {
        Trace::follow(
            Some(parent),
            Some(state),
            &mut ChaCha20Rng::seed_from_u64(1),
        )
    }

    #[test]
    fn a_sound_trace_is_continued_under_a_new_span() {
        let trace = follow(PARENT, "a=b");
        assert_eq!(trace.id(), "0af7651916cd43dd8448eb211c80319c");
        assert!(trace.parent.ends_with("-00") && !trace.parent.contains("b7ad6b7169203331"));
        assert_eq!(trace.state, Some("a=b"));
        assert_eq!(follow(PARENT, &"x".repeat(513)).state, None);
    }

    #[test]
    fn an_unsound_one_is_replaced_with_its_state() {
        for parent in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-00",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-x",
        ] {
            let trace = follow(parent, "a=b");
            assert!(
                trace.state.is_none() && trace.parent.len() == 55,
                "{parent}"
            );
            assert_ne!(trace.id(), "0af7651916cd43dd8448eb211c80319c");
        }
    }
}
