//! Finds the access rule of a request: the tenant's login mode, or the first exception that matches.

use core::cmp::Reverse;
use std::borrow::Cow;

use super::Tenant;
use crate::clock::Seconds;
use crate::config::model::LoginException;
use crate::config::values::GroupName;
use crate::http::request::Request;
use crate::http::{header_name, path};
use crate::policy::LoginMode;
use crate::session::identity::Identity;

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
        overriding_methods(request).fold(rule, |rule, method| {
            rule.stricter(self.login_at(&method, location.path))
        })
    }

    /// Returns the methods of a request for [`Tenant::access_rule_of`], so that the rule can be applied again later.
    #[must_use]
    pub(crate) fn methods_of<'r>(&self, request: &Request<'r>) -> Cow<'r, str> {
        let mut methods = Cow::Borrowed(request.method);
        if !self.login_exceptions.is_empty() {
            for method in overriding_methods(request) {
                methods.to_mut().push(' ');
                // Exceptions name methods of letters only, so what replaces a blank does not matter.
                methods
                    .to_mut()
                    .push_str(&method.replace(char::is_whitespace, "_"));
            }
        }
        methods
    }

    /// Returns the access rule that now applies to an earlier request with these methods and this path.
    #[must_use]
    pub(crate) fn access_rule_of(&self, methods: &str, path: &str) -> AccessRule {
        let mut methods = methods.split(' ');
        let rule = self.login_at(methods.next().unwrap_or_default(), path);
        methods.fold(rule, |rule, method| {
            rule.stricter(self.login_at(method, path))
        })
    }

    /// Returns why a rule keeps a visitor out, if it does. The age of the sign-in is not considered.
    #[must_use]
    pub(crate) fn denial(&self, rule: &AccessRule, identity: Option<&Identity>) -> Option<Denial> {
        match identity {
            None => (!rule.admits_guests()).then_some(Denial::Guest),
            Some(identity) => {
                let mut required = self.required_groups(rule);
                let lacks = |groups: &[GroupName]| !groups.iter().any(|one| identity.is_in(&one.0));
                required.any(lacks).then_some(Denial::Groups)
            }
        }
    }

    /// Returns the lists of groups that a rule requires: of each list one.
    pub(crate) fn required_groups(&self, rule: &AccessRule) -> impl Iterator<Item = &[GroupName]> {
        let exceptions = rule.groups_of.iter();
        exceptions.filter_map(|at| Some(&self.login_exceptions.get(*at)?.groups[..]))
    }

    /// Returns whether any rule requires a group.
    #[must_use]
    pub(crate) fn requires_groups(&self) -> bool {
        let mut exceptions = self.login_exceptions.iter();
        exceptions.any(|exception| !exception.groups.is_empty())
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
                groups_of: Vec::new(),
            },
            Some((at, exception)) => AccessRule {
                mode: exception.mode,
                max_age: exception.max_age,
                rule: Some(at),
                groups_of: if exception.groups.is_empty() {
                    Vec::new()
                } else {
                    vec![at]
                },
            },
        }
    }
}

/// Returns the methods in a request's headers that override its own.
fn overriding_methods(request: &Request<'_>) -> impl Iterator<Item = String> {
    let overrides =
        |(name, _): &&(&str, &str)| header_name::overrides_method(&header_name::fold(name));
    let named = request.headers.iter().filter(overrides);
    named.map(|(_, method)| method.trim().to_ascii_uppercase())
}

/// Reason why a rule keeps a visitor out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// The rule admits signed-in users only.
    Guest,
    /// The user is in none of the required groups.
    Groups,
}

/// Access rule of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessRule {
    /// Required kind of identity.
    pub mode: LoginMode,
    /// Maximum age of the sign-in.
    pub max_age: Option<Seconds>,
    /// Index of the exception with this rule; `None` for the default.
    pub rule: Option<usize>,
    /// Indexes of the exceptions whose groups are required. There may be several, because one request can be read as
    /// several paths and methods.
    pub groups_of: Vec<usize>,
}

impl AccessRule {
    /// Returns whether a client without a session becomes a guest.
    #[must_use]
    pub(crate) fn admits_guests(&self) -> bool {
        self.mode.admits_guests()
    }

    /// Returns the rule's path in the tenant document.
    #[must_use]
    pub(crate) fn rule_path(&self) -> String {
        match self.rule {
            Some(at) => format!("login.exceptions[{at}]"),
            None => "login.mode".to_owned(),
        }
    }

    fn strictness(&self) -> impl Ord + use<> {
        let youngest = Reverse(self.max_age.map_or(u64::MAX, |age| age.0));
        (self.mode, !self.groups_of.is_empty(), youngest)
    }

    /// Returns a rule as strict as both together.
    #[must_use]
    pub(crate) fn stricter(mut self, mut other: Self) -> Self {
        if self.rule == other.rule {
            return self;
        }
        let shorter = match (self.max_age, other.max_age) {
            (Some(one), Some(another)) => Some(one.min(another)),
            (one, another) => one.or(another),
        };
        let rule = if other.strictness() > self.strictness() {
            other.rule
        } else {
            self.rule
        };
        self.groups_of.append(&mut other.groups_of);
        Self {
            mode: self.mode.max(other.mode),
            max_age: shorter,
            rule,
            groups_of: self.groups_of,
        }
    }
}
