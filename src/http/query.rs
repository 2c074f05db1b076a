//! Parses the parameters of our own URLs.

use std::collections::HashMap;

use thiserror::Error;

use crate::encoding;

/// Fault of a query, for its sender.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadQuery {
    /// A parameter is unknown. Holds the known ones.
    #[error("The parameters here are: {0}.")]
    Unknown(String),
    /// A value has an invalid escape.
    #[error("`{0}` is not properly escaped.")]
    Escape(String),
    /// A parameter occurs twice.
    #[error("`{0}` occurs twice.")]
    Twice(String),
}

/// Parameters, each at most once.
#[derive(Debug)]
pub(crate) struct Query(HashMap<String, String>);

impl Query {
    /// Parses `a=1&b=2`, percent-decoded (RFC 3986; `+` is a space).
    ///
    /// # Errors
    /// Returns [`BadQuery`].
    pub(crate) fn parse(text: &str, known: &[&str]) -> Result<Self, BadQuery> {
        let mut query = HashMap::new();
        for pair in pairs(text) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !known.contains(&name) {
                return Err(BadQuery::Unknown(known.join(", ")));
            }
            let value = decode(value).ok_or_else(|| BadQuery::Escape(name.to_owned()))?;
            if query.insert(name.to_owned(), value).is_some() {
                return Err(BadQuery::Twice(name.to_owned()));
            }
        }
        Ok(Self(query))
    }

    /// Parses a query that another site wrote: ignores parameters that are not `known`.
    ///
    /// # Errors
    /// Returns [`BadQuery`] for a known one.
    pub(crate) fn parse_foreign(text: &str, known: &[&str]) -> Result<Self, BadQuery> {
        let is_known = |pair: &&str| {
            let is = |name: &&str| {
                let rest = pair.strip_prefix(*name);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            };
            known.iter().any(is)
        };
        let pairs: Vec<&str> = pairs(text).filter(is_known).collect();
        Self::parse(&pairs.join("&"), known)
    }

    /// Returns the value of a parameter.
    #[must_use]
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Iterates over the non-empty parameters of a query, with their names. Reads each byte once, so that many `&` cost no
/// more than other text.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = &str> {
    let mut rest = query;
    core::iter::from_fn(move || {
        let begin = rest.bytes().position(|b| b != b'&')?;
        rest = rest.get(begin..)?;
        let end = rest.bytes().position(|b| b == b'&').unwrap_or(rest.len());
        let pair = rest.get(..end)?;
        rest = rest.get(end..)?;
        Some(pair)
    })
}

/// Percent-decodes a value (RFC 3986; `+` is a space). Returns `None` for an invalid escape.
#[must_use]
pub(crate) fn decode(text: &str) -> Option<String> {
    encoding::from_percent_encoded(&text.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_parsed() {
        for (query, expected) in [
            ("", &[] as &[&str]),
            ("&", &[]),
            ("a", &["a"]),
            ("&&a=1&&b&", &["a=1", "b"]),
            ("=&é=", &["=", "é="]),
        ] {
            assert_eq!(pairs(query).collect::<Vec<_>>(), expected, "{query}");
        }
    }

    #[test]
    fn other_parameters_are_ignored() {
        let query = Query::parse_foreign("ab=1&a=2&=3&b&&A=4", &["a", "b"]).unwrap();
        assert_eq!((query.get("a"), query.get("b")), (Some("2"), Some("")));
        assert!(Query::parse_foreign("a=1&x=&a=1", &["a"]).is_err());
    }

    #[test]
    fn repeated_or_unknown_parameter_is_rejected() {
        let query = Query::parse("user=a%40b+c&limit=5", &["user", "limit"]).unwrap();
        assert_eq!(query.get("user"), Some("a@b c"));
        assert_eq!(query.get("after"), None);
        for bad in ["x=1", "user=a&user=b", "user=%4", "user=%zz", "user=%ff"] {
            assert!(Query::parse(bad, &["user"]).is_err(), "{bad}");
        }
    }
}
