//! The rules for gray releases in a document.

use core::fmt;

use serde_json::{Map, Value};

use super::object_macro::{checked, choice, object};
use super::parse::{FromDocument, Reader, described};
use super::release_line;
use super::values::{HeaderName, ReleaseName, Share};
use crate::encoding::json;

checked! {
    /// A country: two letters (ISO 3166-1), or T1 for the Tor network.
    Country, "^[A-Z][A-Z0-9]$",
    |text| matches!(text.as_bytes(), [first, second]
        if first.is_ascii_uppercase() && (second.is_ascii_uppercase() || second.is_ascii_digit())),
    "use two capital letters such as DE"
}

object! {
    /// A rule that sends some of the new sessions that match to a release.
    pub(crate) struct ReleaseRuleEntry {
        /// Release, as the servers name it.
        release: ReleaseName,
        /// Percentage of the sessions that match.
        percent: Share = 100,
        /// Which sessions the rule is for: all that is given here must hold.
        r#match: RuleMatch,
        /// What the percentage counts: session, or user (a user is always in it or never).
        by: RuleBy = "session",
        /// true: the rule assigns no sessions. If all rules of a release are off, its sessions move at once.
        off: bool = false,
    }
}

object! {
    /// Which sessions a rule is for.
    pub(crate) struct RuleMatch {
        /// Request headers; all must match.
        headers: Vec<HeaderTest>,
        /// Users, one of which it must be.
        users: Vec<String>,
        /// Groups, one of which the user must be in.
        groups: Vec<String>,
        /// Countries, as two letters.
        countries: Vec<Country>,
        /// Kinds of device.
        devices: Vec<DeviceKind>,
    }
}

object! {
    /// A request header and one test of its value.
    pub(crate) struct HeaderTest {
        /// Its name.
        name: HeaderName,
        /// The whole value.
        exact: Option<String>,
        /// How the value begins.
        prefix: Option<String>,
        /// A part of the value.
        contains: Option<String>,
        /// A pattern for the whole value: * is any text, ? any one character.
        pattern: Option<String>,
    }
}

/// Rules for gray releases, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ReleaseRules(pub Vec<ReleaseRuleEntry>);

impl FromDocument for ReleaseRules {
    fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
        // A variable's line is a list by now, unless something is wrong with it.
        let line = value.as_str().map(release_line::parse);
        if let Some(Err(bad)) = line {
            reader.fault(bad);
            return None;
        }
        Vec::read(value, reader).map(Self)
    }

    fn absent(_: &mut Reader) -> Option<Self> {
        Some(Self::default())
    }

    fn schema() -> Value {
        Vec::<ReleaseRuleEntry>::schema()
    }
}

/// What the percentage of a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuleBy {
    /// Sessions.
    Session,
    /// Users.
    User,
}

/// A kind of device, as the first words of a `User-Agent` tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceKind {
    /// A phone.
    Phone,
    /// A tablet.
    Tablet,
    /// A computer.
    Desktop,
    /// A program.
    Bot,
    /// Anything else.
    Other,
}

impl DeviceKind {
    /// Returns the name by which sessions are listed.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Tablet => "tablet",
            Self::Desktop => "desktop",
            Self::Bot => "bot",
            Self::Other => "other",
        }
    }
}

choice! { RuleBy { "session" => Session, "user" => User } }
choice! { DeviceKind {
    "phone" => Phone, "tablet" => Tablet, "desktop" => Desktop, "bot" => Bot, "other" => Other,
} }
