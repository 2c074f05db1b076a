//! Builds responses of Vestibule itself, in place of an origin's.

pub(crate) mod page;
pub(crate) mod problem;
pub(crate) mod sign_in;
pub(crate) mod texts;
pub(crate) mod theme;

use crate::clock::UnixMillis;

/// Content security policy of data, which must never act as a page.
pub(crate) const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Complete response with a small body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Status code.
    pub status: u16,
    /// Header names and values.
    pub headers: Vec<(&'static str, String)>,
    /// Body, UTF-8 text.
    pub body: String,
    /// Time until which the decision cache may repeat this response for equal requests, with another trace id.
    pub cacheable_until: Option<UnixMillis>,
}

impl Answer {
    /// Creates a response without a body.
    #[must_use]
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: vec![("cache-control", "no-store".to_owned())],
            body: String::new(),
            cacheable_until: None,
        }
    }

    /// Creates a JSON response.
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

    /// Adds our `Set-Cookie` lines, if any, and the header that keeps the response out of shared caches.
    #[must_use]
    pub(crate) fn with_cookies(mut self, lines: Vec<String>) -> Self {
        let are_due = !lines.is_empty();
        for line in lines {
            self.headers.push(("set-cookie", line));
        }
        if are_due {
            return self.with("vary", "Cookie");
        }
        self
    }
}
