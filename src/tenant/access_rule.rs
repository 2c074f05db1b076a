//! Finds the access rule of a request: the tenant's login mode, or the first exception that matches.

use core::cmp::Reverse;

use super::Tenant;
use crate::clock::Seconds;
use crate::config::model::LoginException;
use crate::http::request::Request;
use crate::http::{header_name, path};
use crate::policy::LoginMode;

impl Tenant {
    /// Returns the access rule of a request: the strictest one of all methods it names, because the origin may apply a
    /// header that overrides the method.
    #[must_use]
    pub(crate) fn access_rule(&self, request: &Request<'_>) -> AccessRule {
        let Request {
            method, location, ..
        } = request;
        let rule = self.login_at(method, location.path);
        if self.login_exceptions.is_empty() {
            return rule;
        }
        let overrides =
            |(name, _): &&(&str, &str)| header_name::overrides_method(&header_name::fold(name));
        let named = request.headers.iter().filter(overrides);
        named.fold(rule, |rule, (_, method)| {
            let method = method.trim().to_ascii_uppercase();
            rule.stricter(self.login_at(&method, location.path))
        })
    }

    /// Returns the access rule of a path: the stricter one of the escaped and the resolved spelling.
    #[must_use]
    pub(crate) fn login_at(&self, method: &str, path: &str) -> AccessRule {
        let plain = self.login_at_plain(method, path);
        if self.login_exceptions.is_empty() {
            return plain;
        }
        match path::resolved(path) {
            Some(resolved) => plain.stricter(self.login_at_plain(method, &resolved)),
            None => plain,
        }
    }

    fn login_at_plain(&self, method: &str, path: &str) -> AccessRule {
        let concerns = |(_, exception): &(usize, &LoginException)| {
            let methods = &exception.methods;
            exception.path.matches(path)
                && (methods.is_empty() || methods.iter().any(|one| one.0 == method))
        };
        match self.login_exceptions.iter().enumerate().find(concerns) {
            None => AccessRule {
                mode: self.login,
                max_age: None,
                rule: None,
            },
            Some((at, exception)) => AccessRule {
                mode: exception.mode,
                max_age: exception.max_age,
                rule: Some(at),
            },
        }
    }
}

/// Access rule of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccessRule {
    /// Required kind of identity.
    pub mode: LoginMode,
    /// Maximum age of the sign-in.
    pub max_age: Option<Seconds>,
    /// Index of the exception with this rule; `None` for the default.
    pub rule: Option<usize>,
}

impl AccessRule {
    /// Returns whether a client without a session becomes a guest.
    #[must_use]
    pub(crate) fn admits_guests(self) -> bool {
        self.mode.admits_guests()
    }

    /// Returns the rule's path in the tenant document.
    #[must_use]
    pub(crate) fn rule_path(self) -> String {
        match self.rule {
            Some(at) => format!("login.exceptions[{at}]"),
            None => "login.mode".to_owned(),
        }
    }

    fn strictness(self) -> impl Ord {
        let youngest = Reverse(self.max_age.map_or(u64::MAX, |age| age.0));
        (self.mode, youngest)
    }

    /// Returns the stricter of two rules.
    #[must_use]
    pub(crate) fn stricter(self, other: Self) -> Self {
        let shorter = match (self.max_age, other.max_age) {
            (Some(one), Some(another)) => Some(one.min(another)),
            (one, another) => one.or(another),
        };
        Self {
            mode: self.mode.max(other.mode),
            max_age: shorter,
            rule: if other.strictness() > self.strictness() {
                other.rule
            } else {
                self.rule
            },
        }
    }
}
