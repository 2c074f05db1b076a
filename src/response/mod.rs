//! Answers the edge makes itself, instead of an origin.

pub(crate) mod page;
pub(crate) mod problem;
pub(crate) mod sign_in;
pub(crate) mod theme;

use crate::clock::UnixMillis;

/// Data is no page, whatever is made of it.
pub(crate) const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// A complete answer with a small body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Status code.
    pub status: u16,
    /// Name and value.
    pub headers: Vec<(&'static str, String)>,
    /// UTF-8 text.
    pub body: String,
    /// Before this a request for the same URL that is the same in all that is looked at is answered alike, but for
    /// the id of its trace.
    pub cacheable_until: Option<UnixMillis>,
}

impl Answer {
    /// An answer without a body.
    #[must_use]
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: vec![("cache-control", "no-store".to_owned())],
            body: String::new(),
            cacheable_until: None,
        }
    }

    /// A JSON answer.
    #[must_use]
    pub(crate) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self {
            body: value.to_string(),
            ..Self::empty(status)
        }
        .with("content-type", "application/json")
        .with("x-content-type-options", "nosniff")
        .with("content-security-policy", DATA_POLICY)
    }

    /// Adds a header.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds our `Set-Cookie` line, and what keeps the answer out of shared caches.
    #[must_use]
    pub(crate) fn with_cookie(self, line: Option<String>) -> Self {
        match line {
            Some(line) => self.with("set-cookie", line).with("vary", "Cookie"),
            None => self,
        }
    }
}
