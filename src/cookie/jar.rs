//! Reading a `Cookie` request header (RFC 6265 section 5.4) without being talked into anything.
//!
//! A pair counts only at a pair start: after the beginning or a `;`. Values are taken byte for
//! byte: no dequoting, no percent-decoding, no trimming but space and tab around a pair. Which of several cookies
//! is meant is for whoever can verify them ([`crate::cookie::presented`]).

/// So many cookies of one name are looked at. A browser that lost its way sends two or three; more than these
/// would only cost.
pub(crate) const MAX_CANDIDATES: usize = 16;

/// The values of the cookies of that name, in order, at most [`MAX_CANDIDATES`]. All of ours are without
/// commas, so a value ends at the first: two `Cookie` lines reach us joined by `, `.
///
/// What stands after a comma is never one: it may be part of another cookie's value, which a sub-domain can set
/// where it cannot set one of this name.
pub(crate) fn candidates<'a>(header: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    pairs(header)
        .filter_map(move |pair| value_of(pair, name))
        .map(|value| trim(value.split(',').next().unwrap_or_default()))
        .take(MAX_CANDIDATES)
}

/// The header without our cookies and without those that are `kept_here`, or `None` when nothing is left. Every
/// other pair is kept byte for byte and in order; of a pair with commas in its value the parts that have our
/// names are left out, because they may be a second header's. No name that is ours is shorter than `shortest`.
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
        if pair.is_empty() || is_kept_here(name_of(pair)) {
            continue;
        }
        let mut parts = pair.split(',');
        let mut separator = "; ";
        let is_our_part = |part: &str| part.len() >= shortest && is_ours(name_of(trim(part)));
        let has_our_names = pair.contains(',') && has_part(pair, shortest, is_our_part);
        if !has_our_names {
            if !is_ours(name_of(pair)) {
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

/// Whether one of the parts between commas is meant, none of which is shorter than `shortest`. Each byte is looked at
/// once: commas over and over must not cost more than anything else.
fn has_part(pair: &str, shortest: usize, is_meant: impl Fn(&str) -> bool) -> bool {
    let mut begin = 0;
    for (at, byte) in pair.bytes().enumerate() {
        if byte == b',' {
            if at - begin >= shortest && pair.get(begin..at).is_some_and(&is_meant) {
                return true;
            }
            begin = at + 1;
        }
    }
    pair.get(begin..).is_some_and(is_meant)
}

/// The names of all cookies.
pub(crate) fn names(header: &str) -> impl Iterator<Item = &str> {
    pairs(header).map(name_of).filter(|name| !name.is_empty())
}

/// The cookies whose names are meant: name, value, in the order in which they were sent.
pub(crate) fn named(
    header: &str,
    is_meant: impl Fn(&str) -> bool,
) -> impl Iterator<Item = (&str, &str)> {
    pairs(header).filter_map(move |pair| {
        let name = name_of(pair);
        is_meant(name).then(|| (name, value_of(pair, name).unwrap_or_default()))
    })
}

fn name_of(pair: &str) -> &str {
    let pair = pair.strip_prefix('=').unwrap_or(pair);
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    name.trim_end_matches([' ', '\t'])
}

fn pairs(header: &str) -> impl Iterator<Item = &str> {
    header.split(';').map(trim)
}

fn trim(text: &str) -> &str {
    text.trim_matches(|c| matches!(c, ' ' | '\t'))
}

fn value_of<'a>(pair: &'a str, name: &str) -> Option<&'a str> {
    // A cookie with an empty name, `=name=value`, is sent as `name=value` by some browsers
    // (RFC 6265bis section 5.6); such a value still has to pass the MAC.
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
            // Two headers joined: what is ours in them goes to nobody else.
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
