//! Parses the control headers of an origin's response. `docs/reference/headers.md` lists them.
//!
//! A malformed control is reported and has no effect; the client still gets the response.

use crate::clock::Seconds;
use crate::session::change::{Change, MAX_LEASE_WAIT};

/// Prefix of response headers that never reach the client.
pub(crate) const PREFIX: &str = "x-session-";

/// Name of a malformed control header. Its value may contain secrets and is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub &'static str);

/// Returns the names of the controls in response headers (lower-case names).
pub(crate) fn named<'h>(headers: &'h [(&str, &str)]) -> impl Iterator<Item = &'static str> + 'h {
    const CONTROLS: [&str; 7] = [
        "patch",
        "ttl",
        "rotate",
        "destroy",
        "identify",
        "lease",
        "lease-wait",
    ];
    headers.iter().filter_map(|(name, _)| {
        let name = name.strip_prefix(PREFIX)?;
        CONTROLS.into_iter().find(|control| *control == name)
    })
}

/// Controls in a response.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Controls {
    /// The change.
    pub(crate) change: Change,
    /// Token of the origin's lease.
    pub(crate) lease: Option<u64>,
    /// Time that the response waits while another caller's lease holds up the change.
    pub(crate) wait: Seconds,
    /// Controls that are malformed.
    pub(crate) malformed: Vec<Malformed>,
}

/// Parses the controls in response headers (lower-case names).
#[must_use]
pub(crate) fn read(headers: &[(&str, &str)]) -> Controls {
    let mut controls = Controls::default();
    let Controls {
        change,
        lease,
        wait,
        malformed,
    } = &mut controls;
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
            "x-session-lease" => match seconds(value) {
                Some(Seconds(token)) => *lease = Some(token),
                None => malformed.push(Malformed("lease")),
            },
            "x-session-lease-wait" => match seconds(value).filter(|asked| *asked <= MAX_LEASE_WAIT)
            {
                Some(asked) => *wait = asked,
                None => malformed.push(Malformed("lease-wait")),
            },
            _ => {}
        }
    }
    controls
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
        let controls = read(&[
            ("content-type", "text/html"),
            ("x-session-patch", "{}"),
            ("x-session-ttl", "600"),
            ("x-session-rotate", "1"),
            ("x-session-destroy", "1"),
            ("x-session-lease", "7"),
            ("x-session-lease-wait", "10"),
        ]);
        let change = Change {
            patch: Some("{}".to_owned()),
            idle: Some(Seconds(600)),
            rotate: true,
            end: true,
            ..Change::default()
        };
        let expected = Controls {
            change,
            lease: Some(7),
            wait: Seconds(10),
            malformed: Vec::new(),
        };
        assert_eq!(controls, expected);
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
            ("x-session-lease", "seven"),
            ("x-session-lease-wait", "11"),
        ] {
            let mut controls = read(&[(name, value)]);
            let reported = controls.malformed.pop();
            assert_eq!(reported.map(|it| it.0), name.strip_prefix(PREFIX));
            assert_eq!(controls, Controls::default(), "{name}: {value}");
        }
    }
}
