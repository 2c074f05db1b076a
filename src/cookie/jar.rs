//! Reading a `Cookie` request header (RFC 6265 section 5.4) without being talked into anything.
//!
//! A pair counts only at a pair start: after the beginning or a `;`. Values are taken byte for
//! byte: no dequoting, no percent-decoding, no trimming but space and tab around a pair.

/// What the header holds under the name that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// No cookie of that name.
    Absent,
    /// Exactly one; its value.
    One(&'a str),
    /// Two or more: which one the browser meant cannot be known.
    Several,
    /// The name also stands after a comma. Two `Cookie` lines reach us joined by `, `, so a name
    /// there may be a second header that a client or a broken proxy slipped in.
    AfterComma,
}

/// Looks up `name` in a `Cookie` header value.
#[must_use]
pub fn find<'a>(header: &'a str, name: &str) -> Presented<'a> {
    let mut found = Presented::Absent;
    for pair in pairs(header) {
        if let Some(value) = value_of(pair, name) {
            found = match found {
                Presented::Absent => Presented::One(value),
                _ => Presented::Several,
            };
        }
        let after_commas = pair.split(',').skip(1);
        if after_commas
            .map(trim)
            .any(|part| value_of(part, name).is_some())
        {
            return Presented::AfterComma;
        }
    }
    found
}

/// The header without the cookies of such names, or `None` when nothing is left. Every other pair is
/// kept byte for byte and in order.
#[must_use]
pub fn without(header: &str, is_meant: impl Fn(&str) -> bool) -> Option<String> {
    let mut kept = String::with_capacity(header.len());
    for pair in pairs(header) {
        if pair.is_empty() || is_meant(name_of(pair)) {
            continue;
        }
        if !kept.is_empty() {
            kept.push_str("; ");
        }
        kept.push_str(pair);
    }
    (!kept.is_empty()).then_some(kept)
}

/// The names of all cookies.
pub fn names(header: &str) -> impl Iterator<Item = &str> {
    pairs(header).map(name_of).filter(|name| !name.is_empty())
}

/// The cookies whose names are meant: name, value, in the order in which they were sent.
pub fn named(header: &str, is_meant: impl Fn(&str) -> bool) -> impl Iterator<Item = (&str, &str)> {
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
    fn a_cookie_is_found_only_under_its_exact_name_at_a_pair_start() {
        for (header, expected) in [
            ("session=v", Presented::One("v")),
            ("a=1; session=v; b=2", Presented::One("v")),
            ("a=1;session=v", Presented::One("v")),
            ("\tsession=v ", Presented::One("v")),
            ("=session=v", Presented::One("v")),
            ("session \t=v", Presented::One("v")),
            ("sessions=v", Presented::Absent),
            ("session=\"v\"", Presented::One("\"v\"")),
            ("session=", Presented::One("")),
            ("", Presented::Absent),
            (";;;", Presented::Absent),
            ("=", Presented::Absent),
            ("session", Presented::Absent),
            ("Session=v", Presented::Absent),
            ("xsession=v", Presented::Absent),
            ("\u{2000}session=v", Presented::Absent),
            ("\"session\"=v", Presented::Absent),
            ("a=session=v", Presented::Absent),
            ("session=v; session=w", Presented::Several),
            ("session=v;session=v", Presented::Several),
            ("a=1, session=v", Presented::AfterComma),
            ("a=1,session=v; b=2", Presented::AfterComma),
            ("$Version=1,session=v", Presented::AfterComma),
            ("session=v, session=w", Presented::AfterComma),
            ("a=1, b=2; session=v", Presented::One("v")),
        ] {
            assert_eq!(find(header, "session"), expected, "{header:?}");
        }
    }

    #[test]
    fn cookies_of_a_kind_are_listed_in_their_order() {
        let header = "a-2=x; b=1; =a-1=y=z;a-3; a-2=w";
        let found: Vec<_> = named(header, |name| name.starts_with("a-")).collect();
        assert_eq!(
            found,
            [("a-2", "x"), ("a-1", "y=z"), ("a-3", ""), ("a-2", "w")]
        );
    }

    #[test]
    fn removing_our_cookie_leaves_the_others_as_they_were() {
        for (header, expected) in [
            ("a=1; session=v; b=\"x y\"", Some("a=1; b=\"x y\"")),
            ("session=v", None),
            ("session", None),
            ("=session=v; a=1", Some("a=1")),
            ("a=1, x=2;  c", Some("a=1, x=2; c")),
            ("", None),
        ] {
            assert_eq!(
                without(header, |name| name == "session").as_deref(),
                expected,
                "{header:?}"
            );
        }
    }
}
