//! Selects the code for both ends when one end closes a WebSocket (RFC 6455 section 7.4).

/// Code for a close frame without a code; no frame may contain it.
pub(crate) const NO_CODE: u16 = 1005;

/// Code for a violation of the protocol.
pub(crate) const PROTOCOL_ERROR: u16 = 1002;

/// Code for a service restart; many clients then reconnect.
const RESTART: u16 = 1012;

/// Maximum bytes of a reason: a control frame has 125 bytes, two of them for the code.
const MAX_REASON_BYTES: usize = 123;

/// Returns the code for both ends when one of them closed with `code` and `reason`: the same code, if an endpoint may
/// send it. Returns [`NO_CODE`] if the frame had none, and 1012 if no close frame came (`is_clean` is false). Any other
/// code violates the protocol and closes both ends with 1002.
///
/// The runtime replaces invalid UTF-8 in a reason by U+FFFD.
#[must_use]
pub(crate) fn code_for_both(code: u16, reason: &str, is_clean: bool) -> u16 {
    let is_sendable = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
        && reason.len() <= MAX_REASON_BYTES
        && !reason.contains(char::REPLACEMENT_CHARACTER);
    match code {
        _ if !is_clean => RESTART,
        NO_CODE if reason.is_empty() => NO_CODE,
        _ if is_sendable => code,
        _ => PROTOCOL_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Code that the runtime reports for a connection without a close frame.
    const LOST: u16 = 1006;

    #[test]
    fn valid_close_code_is_forwarded() {
        for code in [
            1000, 1001, 1002, 1003, 1007, 1011, 1013, 1014, 3000, 4401, 4999,
        ] {
            assert_eq!(code_for_both(code, "bye", true), code);
        }
        assert_eq!(code_for_both(NO_CODE, "", true), NO_CODE);
    }

    #[test]
    fn invalid_close_code_becomes_1002() {
        for code in [0, 1, 999, 1004, 1006, 1015, 1016, 2000, 2999, 5000, 65_535] {
            assert_eq!(code_for_both(code, "", true), PROTOCOL_ERROR, "{code}");
        }
        assert_eq!(
            code_for_both(NO_CODE, "a frame held it", true),
            PROTOCOL_ERROR
        );
    }

    #[test]
    fn oversized_close_reason_becomes_1002() {
        assert_eq!(code_for_both(1000, &"x".repeat(123), true), 1000);
        assert_eq!(code_for_both(1000, &"x".repeat(124), true), PROTOCOL_ERROR);
        assert_eq!(code_for_both(1000, &"é".repeat(62), true), PROTOCOL_ERROR);
        assert_eq!(code_for_both(1000, "\u{fffd}", true), PROTOCOL_ERROR);
    }

    #[test]
    fn lost_connection_becomes_1012() {
        assert_eq!(code_for_both(LOST, "", false), RESTART);
        assert_eq!(code_for_both(LOST, "lost", false), RESTART);
    }

    proptest! {
        #[test]
        fn forwarded_close_codes_are_always_valid(code: u16, reason in ".{0,130}", is_clean: bool) {
            let given = code_for_both(code, &reason, is_clean);
            prop_assert!(matches!(given, 1000..=1003 | NO_CODE | 1007..=1014 | 3000..=4999));
        }
    }
}
