//! Parses the control headers of an origin's response. `docs/reference/headers.md` lists them.
//!
//! A malformed control is reported and has no effect; the client still gets the response.

use crate::clock::Seconds;
use crate::session::change::Change;

/// Prefix of response headers that never reach the client.
pub(crate) const PREFIX: &str = "x-session-";

/// Name of a malformed control header. Its value may contain secrets and is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub &'static str);

/// Returns the names of the controls in response headers (lower-case names).
pub(crate) fn named<'h>(headers: &'h [(&str, &str)]) -> impl Iterator<Item = &'static str> + 'h {
    const CONTROLS: [&str; 5] = ["patch", "ttl", "rotate", "destroy", "identify"];
    headers.iter().filter_map(|(name, _)| {
        let name = name.strip_prefix(PREFIX)?;
        CONTROLS.into_iter().find(|control| *control == name)
    })
}

/// Parses the controls in response headers (lower-case names).
#[must_use]
pub(crate) fn read(headers: &[(&str, &str)]) -> (Change, Vec<Malformed>) {
    let mut change = Change::default();
    let mut malformed = Vec::new();
    for (name, value) in headers {
        match *name {
            // Merging checks whether the patch is a JSON object.
            "x-session-patch" => change.patch = Some((*value).to_owned()),
            "x-session-ttl" => match seconds(value) {
                Some(idle) => change.idle = Some(idle),
                None => malformed.push(Malformed("ttl")),
            },
            "x-session-rotate" if *value == "1" => change.rotate = true,
            "x-session-rotate" => malformed.push(Malformed("rotate")),
            "x-session-destroy" if *value == "1" => change.end = true,
            "x-session-destroy" => malformed.push(Malformed("destroy")),
            // Applying the change checks the identity.
            "x-session-identify" => change.identify = Some((*value).to_owned()),
            _ => {}
        }
    }
    (change, malformed)
}

/// Parses digits only: no sign, no fraction, no white space.
fn seconds(value: &str) -> Option<Seconds> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| value.parse().ok().map(Seconds)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_parsed_by_name() {
        let (change, malformed) = read(&[
            ("content-type", "text/html"),
            ("x-session-patch", "{}"),
            ("x-session-ttl", "600"),
            ("x-session-rotate", "1"),
            ("x-session-destroy", "1"),
        ]);
        let expected = Change {
            patch: Some("{}".to_owned()),
            idle: Some(Seconds(600)),
            rotate: true,
            end: true,
            ..Change::default()
        };
        assert_eq!((change, malformed), (expected, Vec::new()));
    }

    #[test]
    fn malformed_control_is_ignored_and_reported() {
        for (name, value) in [
            ("x-session-ttl", "-5"),
            ("x-session-ttl", "60.5"),
            ("x-session-ttl", "+60"),
            ("x-session-ttl", ""),
            ("x-session-ttl", "99999999999999999999"),
            ("x-session-rotate", "true"),
            ("x-session-destroy", "0"),
        ] {
            let (change, malformed) = read(&[(name, value)]);
            assert_eq!(change, Change::default(), "{name}: {value}");
            assert_eq!(malformed.len(), 1, "{name}: {value}");
        }
    }
}
