//! Parses a `Cookie` request header (RFC 6265 section 5.4).
//!
//! A cookie begins only at the start or after a `;`. Values stay byte for byte: no dequoting, no percent-decoding, and
//! no trimming except blanks and tabs around a pair. [`crate::cookie::presented`] selects among several cookies of one
//! name.

use crate::split::{split, split_once};

/// Maximum number of cookies of one name that are checked. A confused browser sends two or three; more would only cost
/// time.
pub(crate) const MAX_CANDIDATES: usize = 16;

/// Returns the values of the cookies of this name, in order, at most [`MAX_CANDIDATES`]. Two `Cookie` lines arrive
/// joined by `, `, and our values have no commas, so a value ends at the first comma.
///
/// Text after a comma never begins a cookie. It may belong to another cookie's value, which a sub-domain can set
/// although it cannot set one of this name.
pub(crate) fn candidates<'a>(header: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    pairs(header)
        .filter_map(move |pair| value_of(pair, name))
        .map(|value| trim(split_once(value, b',').map_or(value, |(first, _)| first)))
        .take(MAX_CANDIDATES)
}

/// Returns the header without our cookies and those that are `kept_here`, or `None` if nothing is left. Other pairs
/// stay byte for byte and in order. If a pair has commas, parts with our names are removed, because they may come from
/// a second header. `shortest` is the minimum length of our names.
#[must_use]
pub(crate) fn without(
    header: &str,
    shortest: usize,
    is_ours: impl Fn(&str) -> bool,
    is_kept_here: impl Fn(&str) -> bool,
) -> Option<String> {
    let mut kept = String::with_capacity(header.len());
    let mut keep = |separator: &str, part: &str| {
        if !kept.is_empty() {
            kept.push_str(separator);
        }
        kept.push_str(part);
    };
    for pair in pairs(header) {
        let name = name_of(pair);
        if pair.is_empty() || is_kept_here(name) {
            continue;
        }
        let mut parts = split(pair, b',');
        let mut separator = "; ";
        let is_our_part = |part: &str| part.len() >= shortest && is_ours(name_of(trim(part)));
        let has_our_names =
            split_once(pair, b',').is_some() && has_part(pair, shortest, is_our_part);
        if !has_our_names {
            if !is_ours(name) {
                keep(separator, pair);
            }
            continue;
        }
        for part in parts.by_ref().filter(|part| !is_our_part(part)) {
            keep(separator, if separator == "; " { trim(part) } else { part });
            separator = ",";
        }
    }
    (!kept.is_empty()).then_some(kept)
}

/// Returns whether a part between commas is one that `matches`; parts shorter than `shortest` never do. Reads each byte
/// once, so that many commas cost no more than other text.
fn has_part(pair: &str, shortest: usize, matches: impl Fn(&str) -> bool) -> bool {
    let mut begin = 0;
    for (at, byte) in pair.bytes().enumerate() {
        if byte == b',' {
            if at - begin >= shortest && pair.get(begin..at).is_some_and(&matches) {
                return true;
            }
            begin = at + 1;
        }
    }
    pair.get(begin..).is_some_and(matches)
}

/// Returns the names of all cookies.
pub(crate) fn names(header: &str) -> impl Iterator<Item = &str> {
    pairs(header).map(name_of).filter(|name| !name.is_empty())
}

/// Returns the cookies with matching names as name and value, in order.
pub(crate) fn named(
    header: &str,
    matches: impl Fn(&str) -> bool,
) -> impl Iterator<Item = (&str, &str)> {
    pairs(header).filter_map(move |pair| {
        let name = name_of(pair);
        matches(name).then(|| (name, value_of(pair, name).unwrap_or_default()))
    })
}

fn name_of(pair: &str) -> &str {
    let pair = pair.strip_prefix('=').unwrap_or(pair);
    let name = split_once(pair, b'=').map_or(pair, |(name, _)| name);
    let blanks = name.bytes().rev().take_while(|b| is_blank(*b)).count();
    name.get(..name.len() - blanks).unwrap_or_default()
}

fn pairs(header: &str) -> impl Iterator<Item = &str> {
    split(header, b';').map(trim)
}

fn trim(text: &str) -> &str {
    let begin = text.bytes().take_while(|b| is_blank(*b)).count();
    let text = text.get(begin..).unwrap_or_default();
    let blanks = text.bytes().rev().take_while(|b| is_blank(*b)).count();
    text.get(..text.len() - blanks).unwrap_or_default()
}

/// Returns whether a byte is optional white space (RFC 9110 section 5.6.3).
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn value_of<'a>(pair: &'a str, name: &str) -> Option<&'a str> {
    // Some browsers send a cookie with an empty name, `=name=value`, as `name=value` (RFC 6265bis section 5.6). Such a
    // value still has to pass the MAC.
    let pair = pair.strip_prefix('=').unwrap_or(pair);
    let rest = pair.strip_prefix(name)?;
    rest.trim_start_matches([' ', '\t']).strip_prefix('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_is_found_by_its_exact_name_only() {
        for (header, expected) in [
            ("session=v", &["v"] as &[&str]),
            ("a=1; session=v; b=2", &["v"]),
            ("a=1;session=v", &["v"]),
            ("\tsession=v ", &["v"]),
            ("=session=v", &["v"]),
            ("session \t=v", &["v"]),
            ("sessions=v", &[]),
            ("session=\"v\"", &["\"v\""]),
            ("session=", &[""]),
            ("", &[]),
            (";;;", &[]),
            ("=", &[]),
            ("session", &[]),
            ("Session=v", &[]),
            ("xsession=v", &[]),
            ("\u{2000}session=v", &[]),
            ("\"session\"=v", &[]),
            ("a=session=v", &[]),
            ("session=v; session=w", &["v", "w"]),
            ("session=v;session=v", &["v", "v"]),
            ("a=1, session=v", &[]),
            ("a=1,session=v; session=w", &["w"]),
            ("$Version=1,session=v", &[]),
            ("session=v, session=w", &["v"]),
            ("session=v, a=1", &["v"]),
            ("a=1, b=2; session=v", &["v"]),
        ] {
            let found: Vec<&str> = candidates(header, "session").collect();
            assert_eq!(found, expected, "{header:?}");
        }
    }

    #[test]
    fn cookies_of_one_name_keep_their_order() {
        let header = "a-2=x; b=1; =a-1=y=z;a-3; a-2=w";
        let found: Vec<_> = named(header, |name| name.starts_with("a-")).collect();
        assert_eq!(
            found,
            [("a-2", "x"), ("a-1", "y=z"), ("a-3", ""), ("a-2", "w")]
        );
    }

    #[test]
    fn removing_our_cookie_leaves_others_unchanged() {
        for (header, expected) in [
            ("a=1; session=v; b=\"x y\"", Some("a=1; b=\"x y\"")),
            ("session=v", None),
            ("session", None),
            ("=session=v; a=1", Some("a=1")),
            ("a=1, x=2;  c", Some("a=1, x=2; c")),
            ("", None),
            // Of two joined headers our cookies reach no origin.
            ("a=1, session=v", Some("a=1")),
            ("a=1,session=v,b=2; c", Some("a=1,b=2; c")),
            ("session=v, a=1", Some("a=1")),
            ("c; session=v,session=w", Some("c")),
            ("vault=1,2,3; a=4,5", Some("a=4,5")),
            ("a=1,vault=2", Some("a=1,vault=2")),
        ] {
            let left = without(header, 7, |name| name == "session", |name| name == "vault");
            assert_eq!(left.as_deref(), expected, "{header:?}");
        }
    }
}
