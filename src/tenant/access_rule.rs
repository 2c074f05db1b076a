//! Finds the access rule of a request: the tenant's login mode, or the first exception that matches.

use core::cmp::Reverse;
use core::iter;
use std::borrow::Cow;

use super::Tenant;
use crate::clock::Seconds;
use crate::config::model::LoginException;
use crate::config::values::GroupName;
use crate::http::request::Request;
use crate::http::{header_name, path};
use crate::policy::LoginMode;
use crate::session::identity::Identity;

/// Stands for every method that an exception names, and for one that none names.
const ANY_METHOD: &str = "*";

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

    /// Returns the access rule of a path: the strictest one of its escaped and its resolved spelling, and of the methods
    /// that an origin may take this one for.
    #[must_use]
    pub(crate) fn login_at(&self, method: &str, path: &str) -> AccessRule {
        let plain = self.login_at_plain(method, path);
        if self.login_exceptions.is_empty() {
            return plain;
        }
        let resolved = path::resolved(path);
        let paths = || iter::once(path).chain(resolved.as_deref());
        let methods = iter::once(method).chain(self.also_taken_for(method));
        let readings = methods.flat_map(|method| paths().map(move |path| (method, path)));
        readings.skip(1).fold(plain, |rule, (method, path)| {
            rule.stricter(self.login_at_plain(method, path))
        })
    }

    /// Returns the methods that an origin may take this one for.
    fn also_taken_for(&self, method: &str) -> Vec<&str> {
        match method {
            // Frameworks answer HEAD with the handler of GET (RFC 9110 section 9.3.2).
            "HEAD" => vec!["GET"],
            ANY_METHOD => {
                let exceptions = self.login_exceptions.iter();
                let named = exceptions.flat_map(|exception| &exception.methods);
                named.map(|one| one.0.as_str()).collect()
            }
            _ => Vec::new(),
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
    named.map(|(_, method)| {
        // Of a list, some servers take the first method and others the last.
        if method.contains(',') {
            ANY_METHOD.to_owned()
        } else {
            method.trim().to_ascii_uppercase()
        }
    })
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

    /// Returns a rule as strict as both together. Each may combine several exceptions already.
    #[must_use]
    pub(crate) fn stricter(mut self, other: Self) -> Self {
        let shorter = match (self.max_age, other.max_age) {
            (Some(one), Some(another)) => Some(one.min(another)),
            (one, another) => one.or(another),
        };
        let rule = if other.strictness() > self.strictness() {
            other.rule
        } else {
            self.rule
        };
        for at in other.groups_of {
            if !self.groups_of.contains(&at) {
                self.groups_of.push(at);
            }
        }
        Self {
            mode: self.mode.max(other.mode),
            max_age: shorter,
            rule,
            groups_of: self.groups_of,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::Deployment;
    use crate::encoding::base64url;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn tenant(exceptions: &Value) -> Tenant {
        let bindings = json!({
            "SESSION_KEYS": base64url(&[7; 32]),
            "SESSIONS": true,
            "CONSISTENCY": "eventual",
            "ORIGINS": "a=http://a:1",
            "LOGIN_EXCEPTIONS": exceptions.to_string(),
        });
        let deployment = Deployment::from_bindings(&bindings.to_string());
        deployment.ok().unwrap().tenant.unwrap()
    }

    fn exception() -> impl Strategy<Value = Value> {
        let path = prop::sample::select(vec!["/*", "/admin/*", "/admin/x"]);
        let methods = prop::sample::subsequence(vec!["GET", "HEAD", "POST", "DELETE"], 0..3);
        let groups = prop::sample::subsequence(vec!["ops", "root", "staff"], 0..3);
        let max_age = prop::option::of(60_u64..64);
        let mode = prop::sample::select(vec!["off", "optional", "required"]);
        let parts = (path, methods, mode, groups, max_age);
        parts.prop_map(|(path, methods, mode, groups, max_age)| {
            let mut exception = json!({ "path": path, "methods": methods, "mode": mode });
            if mode == "required" {
                exception["groups"] = json!(groups);
                exception["max_age"] = json!(max_age.map(|age| format!("{age}s")));
            }
            exception
        })
    }

    proptest! {
        #[test]
        fn combined_rule_is_as_strict_as_each_reading(
            exceptions in prop::collection::vec(exception(), 1..5),
            method in prop::sample::select(vec!["GET", "HEAD", "POST", "DELETE"]),
            path in prop::sample::select(vec!["/admin/x", "/%61dmin/x", "//admin/y", "/other"]),
            overriding in prop::sample::select(vec!["", "delete", "Delete, x", "x,post", "HEAD"]),
        ) {
            let tenant = tenant(&json!(exceptions));
            let header = [("x-http-method-override", overriding)];
            let packed = format!("{method}\nhttps://chat.example{path}");
            let mut request = Request::parse(&packed).unwrap();
            if !overriding.is_empty() {
                request.headers.extend(header);
            }
            let rule = tenant.access_rule(&request);
            let methods = tenant.methods_of(&request);
            prop_assert_eq!(&tenant.access_rule_of(&methods, path), &rule);
            let named = overriding.split(',').map(|one| one.trim().to_ascii_uppercase());
            let mut methods: Vec<String> = named.filter(|one| !one.is_empty()).collect();
            methods.push(method.to_owned());
            if methods.iter().any(|one| one == "HEAD") {
                methods.push("GET".to_owned());
            }
            for method in &methods {
                for path in [path, path::resolved(path).as_deref().unwrap_or(path)] {
                    let part = tenant.login_at_plain(method, path);
                    let what = format!("{rule:?} for {part:?} at {method} {path}");
                    prop_assert!(rule.mode >= part.mode, "{}", what);
                    let has = |at| rule.groups_of.contains(at);
                    prop_assert!(part.groups_of.iter().all(has), "{}", what);
                    let most = |age: Option<Seconds>| age.map_or(u64::MAX, |age| age.0);
                    prop_assert!(most(rule.max_age) <= most(part.max_age), "{}", what);
                }
            }
            let groups = rule.groups_of.len();
            prop_assert!(groups <= exceptions.len(), "{groups} lists");
        }
    }
}
