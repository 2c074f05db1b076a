//! Defines the texts and numbers of a document, with their limits and fixes.

use core::fmt;

use serde_json::Value;
use thiserror::Error;

use super::object_macro::{checked, text};
use super::parse::{FromDocument, Reader};
use crate::auth::provider::is_confidential;
use crate::balancer::path_prefix::PathPrefix;
use crate::balancer::pool::{Base, OriginName};
use crate::clock::UnixSeconds;
use crate::encoding::json;
use crate::encoding::quoted;
use crate::http::host::HostPattern;
use crate::session::names::is_identifier;
use crate::tenant_id::TenantId;

text!(TenantId, "^[a-z0-9-]{1,63}$", |text| {
    TenantId::parse(text).ok_or("a tenant id has 1 to 63 of a-z, 0-9 and -")
});
text!(
    HostPattern,
    "^(\\*\\.)?[a-z0-9-]+(\\.[a-z0-9-]+)*(/[a-z0-9-]+)?(;[a-z0-9-]*){0,4}$",
    HostPattern::parse
);
text!(OriginName, "^[A-Za-z0-9._:\\[\\]-]+$", OriginName::parse);
text!(
    PathPrefix,
    "^(/[A-Za-z0-9._~!$&()+,=:@-]+)+/?$",
    PathPrefix::parse
);
text!(
    Base,
    "^(https?://[^/?#@\\\\ \"]+/*|service:[A-Za-z_][A-Za-z0-9_]*|discover:https?://[^/?#@\\\\ \"]+([/?][^#\\\\ \"]*)?|srv:(https?://)?[A-Za-z0-9._-]+|dns:(https?://)?[A-Za-z0-9._-]+:[0-9]{1,5})$",
    Base::parse
);

checked! {
    /// Path at a server.
    Path, "^/", |text| text.starts_with('/') && !text.contains(['?', '#', ' ']),
    "use a path such as /ready"
}
checked! {
    /// Name of a release, in one line, because logs and metrics show it.
    ReleaseName, "^[^\\u0000-\\u001f\\u007f]{1,64}$",
    |text| (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control),
    "use a name such as v2, in up to 64 characters"
}
checked! {
    /// Request method.
    Method, "^[A-Z]+$", |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase()),
    "use a method such as GET"
}
checked! {
    /// Header name (RFC 9110 section 5.1), without characters that servers treat in different ways.
    HeaderName, "^[A-Za-z0-9-]+$",
    |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
    "use the name of a header: letters, digits and -"
}
checked! {
    /// Name of a group of users, as sessions store it.
    GroupName, "^[^,\\s]([^,\\n]*[^,\\s])?$",
    |text| is_identifier(text) && !text.contains(','),
    "use the name of a group such as ops: up to 320 bytes, without a comma"
}
checked! {
    /// Origin in the sense of RFC 6454.
    Site, "^[a-z]+://[^/]+$",
    |text| text.split_once("://").is_some_and(|(_, host)| !host.is_empty() && !host.contains('/')),
    "use an origin such as https://shop.example"
}

checked! {
    /// Site whose pages act for visitors: an origin as browsers write it. It is part of a header, too.
    TrustedSite, "^https?://[A-Za-z0-9.:\\[\\]-]+$",
    |text| is_confidential(text) && is_browser_origin(text),
    "use an origin as browsers write it, such as https://shop.example; http is for this machine only"
}

checked! {
    /// Issuer identifier, or another of the issuer's URLs.
    Issuer, "^https?://", |text| is_confidential(text) && !text.contains(['?', '#']),
    "use an https address, without ? and #; http is for this machine only"
}
checked! {
    /// Name of a secret of the Worker's.
    SecretName, "^secret:[A-Z0-9_]+$",
    |text| text.strip_prefix("secret:").is_some_and(|name| !name.is_empty()),
    "name a secret of the Worker, such as secret:OIDC_SECRET; do not write the secret itself"
}
checked! {
    /// Name of a cookie, or a prefix of names.
    CookiePattern, "^[!#$%&'+.^_`|~0-9A-Za-z-]+\\*?$",
    |text| {
        let name = text.strip_suffix('*').unwrap_or(text);
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&b);
        !name.is_empty() && name.bytes().all(token)
    },
    "use the name of a cookie such as access_token, or the beginning of names such as token_*"
}

/// Returns whether a browser would write this origin (RFC 6454 section 6.1): without path, and without the scheme's own
/// port.
fn is_browser_origin(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".:[]-".contains(&b);
    text.split_once("://").is_some_and(|(scheme, host)| {
        let usual = if scheme == "https" { ":443" } else { ":80" };
        !host.is_empty() && host.bytes().all(plain) && !host.ends_with(usual)
    })
}

impl CookiePattern {
    /// Returns whether the pattern matches a cookie's name. Cookie names are case-sensitive.
    #[must_use]
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == self.0,
        }
    }
}

/// Text that is neither a path nor a prefix of paths.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum PathPatternError {
    /// A `*` is not at the end, after a `/`.
    #[error("{} has a * in it; write one only at the end, behind a /", quoted(.0))]
    Wildcard(String),
    /// The text does not have the form of a path.
    #[error(
        "{} is not a path; use one such as /project/share, or the beginning of paths such as /public/*", quoted(.0)
    )]
    Malformed(String),
}

/// Path, or a prefix of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathPattern {
    path: String,
    is_beginning: bool,
}

impl PathPattern {
    fn parse(text: &str) -> Result<Self, PathPatternError> {
        let (path, is_beginning) = match text.strip_suffix('*') {
            Some(path) if path.ends_with('/') => (path, true),
            Some(_) => return Err(PathPatternError::Wildcard(text.to_owned())),
            None => (text, false),
        };
        let is_path = path.starts_with('/') && !path.contains(['*', '?', '#', '%', '\\', ' ']);
        let is_plain =
            !path.contains("//") && !path.split('/').any(|part| part == "." || part == "..");
        (is_path && is_plain)
            .then(|| Self {
                path: path.to_owned(),
                is_beginning,
            })
            .ok_or_else(|| PathPatternError::Malformed(text.to_owned()))
    }

    /// Returns the path, or the prefix of all matching paths.
    #[must_use]
    pub(crate) fn beginning(&self) -> &str {
        &self.path
    }

    /// Returns whether the pattern matches a path, which must be unambiguous.
    #[must_use]
    pub(crate) fn matches(&self, path: &str) -> bool {
        if self.is_beginning {
            path.starts_with(&self.path)
        } else {
            path == self.path
        }
    }
}

text!(PathPattern, "^/[^*?#%\\\\ ]*\\*?$", PathPattern::parse);

/// Point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date(pub UnixSeconds);

text!(Date, "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:]{8}Z)?$", |text| {
    UnixSeconds::parse(text)
        .map(Self)
        .ok_or("use a date such as 2026-11-21 or 2026-11-21T10:00:00Z")
});

/// Defines a number within bounds.
macro_rules! bounded {
    ($(#[doc = $doc:literal])* $name:ident: $from:literal to $to:literal) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) u32);

        impl FromDocument for $name {
            fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                let number = number.filter(|number| ($from..=$to).contains(number));
                reader.note(number.map(Self).ok_or(concat!("use a number, ", $from, " to ", $to)))
            }

            fn schema() -> Value {
                json!({ "type": "integer", "minimum": $from, "maximum": $to })
            }
        }
    };
}

bounded! {
    /// Share of a server, relative to the others' weights.
    Weight: 1 to 1_000
}
bounded! {
    /// Percentage of a server's full load.
    Percent: 0 to 1_000
}
bounded! {
    /// Percentage of new sessions.
    Share: 0 to 100
}
bounded! {
    /// Number of places in a queue, which is in memory.
    QueueLength: 0 to 10_000
}
bounded! {
    /// Size of a header in bytes; an origin limits the size of all headers together.
    DataSize: 0 to 16_384
}
