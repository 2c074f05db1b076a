//! Decides conditional requests and content codings.

/// Returns whether `If-None-Match` (RFC 9110 section 13.1.2) contains this entity tag, so that the client has the
/// current version.
#[must_use]
pub(crate) fn names_etag(if_none_match: &str, etag: &str) -> bool {
    let mut tags = if_none_match.split(',').map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// Returns whether `Accept-Encoding` (RFC 9110 section 12.5.3) accepts gzip by name.
#[must_use]
pub(crate) fn accepts_gzip(accept_encoding: &str) -> bool {
    accept_encoding.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        is_gzip && weight.is_none_or(|weight| !weight.trim_matches(['0', '.']).is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etag_lists_weak_tags_and_star_are_parsed() {
        for (header, is_named) in [
            ("\"a\"", true),
            ("\"x\", W/\"a\"", true),
            ("*", true),
            ("", false),
            ("a", false),
            ("\"b\"", false),
        ] {
            assert_eq!(names_etag(header, "\"a\""), is_named, "{header}");
        }
    }

    #[test]
    fn gzip_requires_accept_encoding_with_nonzero_q() {
        for (header, is_accepted) in [
            ("gzip", true),
            ("br, gzip", true),
            ("br;q=1.0, GZIP; q=0.5", true),
            ("gzip;q=0.001", true),
            ("gzip;q=1", true),
            ("", false),
            ("br", false),
            ("*", false),
            ("identity", false),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("x-gzip", false),
            ("gzipped", false),
        ] {
            assert_eq!(accepts_gzip(header), is_accepted, "{header}");
        }
    }
}
