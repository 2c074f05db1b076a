//! Reads the parts of a request that select its tenant in addition to the host: its first path segment, and headers.
//!
//! `TENANT_BY` lists the parts. Those that a request has become a *qualifier*, which stands behind the host in the name
//! of a binding: `/acme` for a segment, `;gold` for a header's value, `/acme;gold` for both. No other part of a request
//! selects a tenant, so a cached binding holds for every request with the same host and qualifier.

use super::header_name::fold;
use super::path;
use super::request::Request;
use super::reserved_headers::is_ours;

/// Maximum number of headers that select a tenant.
const MAX_HEADERS: usize = 4;

/// Maximum length of a segment or a header's value.
const MAX_LENGTH: usize = 63;

/// Parts of a request that select its tenant in addition to the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TenantBy {
    /// Whether the first path segment does.
    pub path: bool,
    /// Headers that do, by lower-case name.
    headers: Vec<String>,
}

impl TenantBy {
    /// Parses the setting: `host`, `path` and `header:NAME`, separated by commas. A header must be one that only a
    /// proxy sends. Requests with equal decisions may differ in `x-request-id` and `x-requested-with`.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut by = Self::default();
        for part in text.split(',').map(str::trim) {
            match (part, part.strip_prefix("header:")) {
                ("host", _) => {}
                ("path", _) => by.path = true,
                (_, Some(name)) => {
                    let name = name.to_ascii_lowercase();
                    let is_usable = name.starts_with("x-")
                        && !name.starts_with("x-request")
                        && fold(&name) == name
                        && !is_ours(&name);
                    if !is_usable || by.headers.len() == MAX_HEADERS {
                        return None;
                    }
                    by.headers.push(name);
                }
                _ => return None,
            }
        }
        Some(by)
    }

    /// Returns whether the host alone selects the tenant.
    #[must_use]
    pub(crate) fn is_host_alone(&self) -> bool {
        !self.path && self.headers.is_empty()
    }

    /// Returns the qualifiers under which a request's tenant may be bound, the most specific first: segment and values,
    /// the segment, the values. Those with a part that the request lacks are omitted.
    #[must_use]
    pub(crate) fn qualifiers(&self, request: &Request<'_>) -> Vec<String> {
        let segment = match segment(request.location.path) {
            Some(segment) if self.path => ["/", segment].concat(),
            _ => String::new(),
        };
        let mut values = String::new();
        for name in &self.headers {
            let value = request.header(name).unwrap_or_default();
            let value = value.trim().to_ascii_lowercase();
            values.push(';');
            values.push_str(if is_part(&value) { &value } else { "" });
        }
        if values.bytes().all(|b| b == b';') {
            values.clear();
        }
        let mut qualifiers = vec![[segment.as_str(), &values].concat(), segment, values];
        qualifiers.retain(|qualifier| !qualifier.is_empty());
        qualifiers.dedup();
        qualifiers
    }

    /// Returns whether servers that decode or resolve a path find another segment in it than [`Self::qualifiers`] does.
    /// One tenant's server would then serve it by the rules of another.
    #[must_use]
    pub(crate) fn is_ambiguous(&self, path: &str) -> bool {
        let differs = |resolved: String| segment(&resolved) != segment(path);
        self.path && path::resolved(path).is_some_and(differs)
    }

    /// Returns the value of `Vary` for responses; `None` if no header selects a tenant.
    #[must_use]
    pub(crate) fn vary(&self) -> Option<String> {
        (!self.headers.is_empty()).then(|| self.headers.join(", "))
    }

    /// Returns whether requests can have such a qualifier.
    #[must_use]
    pub(crate) fn can_be(&self, qualifier: &str) -> bool {
        let (segment, values) = split(qualifier);
        (segment.is_empty() || self.path)
            && (values.is_empty() || values.split(';').count() == self.headers.len() + 1)
    }
}

/// Returns whether a text is a qualifier, or empty.
#[must_use]
pub(crate) fn is_qualifier(text: &str) -> bool {
    let (segment, values) = split(text);
    let is_segment = segment
        .strip_prefix('/')
        .map_or(segment.is_empty(), is_part);
    let mut parts = values.split(';').skip(1);
    let is_value = |part: &str| part.is_empty() || is_part(part);
    is_segment
        && parts.clone().count() <= MAX_HEADERS
        && parts.clone().all(is_value)
        && (values.is_empty() || parts.any(|part| !part.is_empty()))
}

/// Splits a qualifier into the segment with its slash, and the headers' values, each with a semicolon.
#[must_use]
pub(crate) fn split(qualifier: &str) -> (&str, &str) {
    let at = qualifier.find(';').unwrap_or(qualifier.len());
    qualifier.split_at_checked(at).unwrap_or_default()
}

/// Returns the first segment of a path if it can select a tenant.
fn segment(path: &str) -> Option<&str> {
    path.split('/').nth(1).filter(|segment| is_part(segment))
}

fn is_part(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qualifiers(setting: &str, path: &str, headers: &str) -> Vec<String> {
        let packed = format!("GET\nhttps://chat.example{path}{headers}");
        let by = TenantBy::parse(setting).unwrap();
        by.qualifiers(&Request::parse(&packed).unwrap())
    }

    #[test]
    fn qualifiers_are_ordered_from_the_most_specific_one() {
        let both = "path, header:X-Plan";
        for (setting, path, headers, expected) in [
            ("host", "/acme/x", "\nx-plan\ngold", &[] as &[&str]),
            ("path", "/acme/x?y", "", &["/acme"]),
            ("path", "/acme", "", &["/acme"]),
            ("path", "/", "", &[]),
            ("header:X-Plan", "/acme", "\nx-plan\n Gold ", &[";gold"]),
            (
                both,
                "/acme/",
                "\nx-plan\ngold",
                &["/acme;gold", "/acme", ";gold"],
            ),
            (both, "/acme/", "", &["/acme"]),
            (both, "/", "\nx-plan\ngold", &[";gold"]),
            ("header:x-a,header:x-b", "/", "\nx-b\neu", &[";;eu"]),
        ] {
            assert_eq!(
                qualifiers(setting, path, headers),
                expected,
                "{setting} {path}"
            );
        }
    }

    #[test]
    fn part_with_other_characters_selects_nothing() {
        let long = "a".repeat(MAX_LENGTH + 1);
        for text in ["Acme", "%61cme", "a_b", "a.b", "a;b", "a,b", long.as_str()] {
            assert_eq!(
                qualifiers("path", &format!("/{text}/x"), ""),
                [""; 0],
                "{text}"
            );
        }
        for text in ["a, b", "a;b", "a/b", "\u{e4}", "", long.as_str()] {
            let headers = format!("\nx-plan\n{text}");
            assert_eq!(
                qualifiers("header:X-Plan", "/", &headers),
                [""; 0],
                "{text}"
            );
        }
    }

    #[test]
    fn path_with_two_first_segments_is_ambiguous() {
        let by = TenantBy::parse("path").unwrap();
        for (path, expected) in [
            ("/acme/x", false),
            ("/acme/a%20b", false),
            ("/acme//x", false),
            ("/a%20b/x", false),
            ("/%41cme/x", false),
            ("/%61cme/x", true),
            ("/%2561cme/x", true),
            ("//acme/x", true),
            ("/acme;v=1/x", true),
            ("/x/..%2facme/y", true),
            ("/acme%2fx", true),
            ("/acme/..%2fglobex/x", true),
            ("/acme/..%2f", true),
            ("/\\acme/x", true),
        ] {
            assert_eq!(by.is_ambiguous(path), expected, "{path}");
            assert!(!TenantBy::default().is_ambiguous(path), "{path}");
        }
    }

    #[test]
    fn setting_is_a_list_of_parts() {
        assert!(TenantBy::parse("host").unwrap().is_host_alone());
        assert!(!TenantBy::parse("host,path").unwrap().is_host_alone());
        for bad in [
            "",
            "paths",
            "claim:org",
            "header:",
            "header:Host",
            "header:Cookie",
            "header:X-Session-User",
            "header:X-Forwarded-Host",
            "header:X-Request-Id",
            "header:X-Requested-With",
            "header:X_A",
            "header:x-a,header:x-b,header:x-c,header:x-d,header:x-e",
        ] {
            assert_eq!(TenantBy::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn qualifier_must_fit_the_setting() {
        let can_be = |setting: &str, text| TenantBy::parse(setting).unwrap().can_be(text);
        for (setting, text, expected) in [
            ("host", "", true),
            ("host", "/acme", false),
            ("path", "/acme", true),
            ("path", "/acme;gold", false),
            ("path,header:x-a", "/acme;gold", true),
            ("header:x-a", ";gold", true),
            ("header:x-a,header:x-b", ";gold", false),
            ("header:x-a,header:x-b", ";gold;", true),
        ] {
            assert_eq!(can_be(setting, text), expected, "{setting} {text}");
        }
        for good in ["", "/acme", ";gold", "/acme;gold", ";;eu"] {
            assert!(is_qualifier(good), "{good}");
        }
        for bad in [
            "/",
            "acme",
            "/acme/",
            "/a/b",
            ";",
            ";;",
            "/a;",
            ";a;b;c;d;e",
            "/A",
        ] {
            assert!(!is_qualifier(bad), "{bad}");
        }
    }
}
