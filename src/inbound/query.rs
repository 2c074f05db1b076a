//! The parameters of our own URLs.

use std::collections::HashMap;

/// Parameters, each at most once.
#[derive(Debug)]
pub struct Query(HashMap<String, String>);

impl Query {
    /// Reads `a=1&b=2`, percent-decoded (RFC 3986; `+` is a space).
    ///
    /// # Errors
    /// What is wrong, for the caller: a parameter that is not `known`, one that occurs twice, or an
    /// escape that is none.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, String> {
        let mut query = HashMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !known.contains(&name) {
                return Err(format!("The parameters here are: {}.", known.join(", ")));
            }
            let value = decode(value).ok_or(format!("`{name}` is not properly escaped."))?;
            if query.insert(name.to_owned(), value).is_some() {
                return Err(format!("`{name}` occurs twice."));
            }
        }
        Ok(Self(query))
    }

    /// Reads the same of a URL that somebody else made: parameters that are not `known` are passed
    /// over.
    ///
    /// # Errors
    /// What is wrong with one that is.
    pub fn parse_foreign(text: &str, known: &[&str]) -> Result<Self, String> {
        let is_known = |pair: &&str| known.contains(&pair.split('=').next().unwrap_or_default());
        let pairs: Vec<&str> = text.split('&').filter(is_known).collect();
        Self::parse(&pairs.join("&"), known)
    }

    /// The value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Percent-decoded (RFC 3986; `+` is a space); none for an escape that is none.
#[must_use]
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_once_each() {
        let query = Query::parse("user=a%40b+c&limit=5", &["user", "limit"]).unwrap();
        assert_eq!(query.get("user"), Some("a@b c"));
        assert_eq!(query.get("after"), None);
        for bad in ["x=1", "user=a&user=b", "user=%4", "user=%zz", "user=%ff"] {
            assert!(Query::parse(bad, &["user"]).is_err(), "{bad}");
        }
    }
}
