//! Defines the changes that a handler requests.

use core::fmt;
use core::time::Duration;

use serde_json::{Map, Value, json};

use crate::session::identity::{BadIdentity, Identity};

/// Changes to the session that a handler requests: the controls of an origin's response, as a value.
///
/// Vestibule drops and logs (`control_ignored`) a part that it cannot grant, and grants the rest; it sends the
/// response in any case. It cannot grant data beyond 64 KiB or an idle time outside the limits. It also cannot sign in
/// or change the id for a request with the cookie before the last one.
///
/// With the objects of a deployed Vestibule bound, it stores a change before it sends the response; if that fails, the
/// client gets 503. With KV alone it stores only [`destroy`](Self::destroy) before. It stores the rest after the
/// response; if that fails, the change is lost.
///
/// ```
/// use core::time::Duration;
/// use vestibule::{Changes, Identity};
///
/// let none = Changes::new();
/// assert!(none.is_empty());
///
/// let login = Changes::new()
///     .set("theme", "dark")
///     .remove("cart")
///     .idle(Duration::from_secs(1_800))
///     .identify(&Identity::new("alice"))?;
/// assert!(!login.is_empty());
///
/// let logout = Changes::new().destroy();
/// assert!(Changes::new().identify(&Identity::new("")).is_err());
/// # Ok::<(), vestibule::BadIdentity>(())
/// ```
#[derive(Clone, Default, PartialEq)]
#[must_use = "changes take effect when a handler returns them"]
pub struct Changes {
    patch: Map<String, Value>,
    identify: Option<String>,
    idle: Option<Duration>,
    rotate: bool,
    destroy: bool,
    lease: Option<u64>,
}

impl Changes {
    /// Requests no change.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns whether no change is requested.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Sets a member of the session's data. Objects are merged with existing ones (RFC 7396).
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.patch.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a member of the session's data.
    pub fn remove(self, name: &str) -> Self {
        self.set(name, Value::Null)
    }

    /// Merges a patch into the session's data (RFC 7396): `null` removes a member.
    pub fn patch(mut self, patch: Map<String, Value>) -> Self {
        self.patch.extend(patch);
        self
    }

    /// Signs the user in: for the application's own login. The session always gets a new cookie, so that the old one
    /// is worthless. If another user was signed in, it also gets a new public id. So call this in the response to a
    /// login, not in every response.
    ///
    /// # Errors
    /// Returns [`BadIdentity`] if a name does not fit a header: it is empty, too long or has control characters.
    pub fn identify(self, identity: &Identity) -> Result<Self, BadIdentity> {
        self.identified(identity, false)
    }

    /// Signs the user in like [`identify`](Self::identify), and gives the session the longer lifetime
    /// (`SESSION_REMEMBER`).
    ///
    /// # Errors
    /// Returns [`BadIdentity`] as [`identify`](Self::identify) does.
    pub fn remember(self, identity: &Identity) -> Result<Self, BadIdentity> {
        self.identified(identity, true)
    }

    fn identified(self, identity: &Identity, remember: bool) -> Result<Self, BadIdentity> {
        let Identity {
            user,
            email,
            name,
            groups,
            ..
        } = identity;
        let json = json!({
            "user": user, "email": email, "name": name, "groups": groups, "remember": remember,
        })
        .to_string();
        Identity::parse(&json)?;
        Ok(Self {
            identify: Some(json),
            // Without this, signing in the same user again would keep the id.
            rotate: true,
            ..self
        })
    }

    /// Sets the session's idle timeout, in whole seconds and within the tenant's limits.
    pub fn idle(self, idle: Duration) -> Self {
        let idle = Some(idle);
        Self { idle, ..self }
    }

    /// Gives the session a new cookie; its public id stays.
    pub fn rotate(self) -> Self {
        Self {
            rotate: true,
            ..self
        }
    }

    /// Names the token of a lease that the handler took over the session API. Under an exclusive lease of another
    /// caller, data and the idle time stay as they are.
    pub fn under_lease(self, token: u64) -> Self {
        let lease = Some(token);
        Self { lease, ..self }
    }

    /// Ends the session.
    pub fn destroy(self) -> Self {
        Self {
            destroy: true,
            ..self
        }
    }

    /// Returns the same changes as an origin's control headers: `docs/reference/headers.md`.
    pub(crate) fn controls(&self) -> Vec<(&'static str, String)> {
        let flag = |is_set: bool| is_set.then(|| "1".to_owned());
        let patch = (!self.patch.is_empty()).then(|| Value::Object(self.patch.clone()).to_string());
        let idle = self.idle.map(|idle| idle.as_secs().to_string());
        [
            ("x-session-patch", patch),
            ("x-session-identify", self.identify.clone()),
            ("x-session-ttl", idle),
            ("x-session-rotate", flag(self.rotate)),
            ("x-session-destroy", flag(self.destroy)),
            ("x-session-lease", self.lease.map(|token| token.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

/// Hides data and identity.
impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("idle", &self.idle)
            .field("rotate", &self.rotate)
            .field("destroy", &self.destroy)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Seconds;
    use crate::session::change::Change;
    use crate::upstream::session_controls::{self, Controls};

    #[test]
    fn changes_become_control_headers() {
        let alice = Identity {
            email: Some("alice@example.com".to_owned()),
            groups: vec!["staff".to_owned()],
            ..Identity::new("alice")
        };
        let changes = Changes::new()
            .set("a", 1)
            .remove("b")
            .idle(Duration::from_secs(600))
            .rotate()
            .destroy()
            .under_lease(7)
            .remember(&alice)
            .unwrap();
        let headers = changes.controls();
        let borrowed: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let Controls {
            change,
            lease,
            malformed,
            ..
        } = session_controls::read(&borrowed);
        assert!(malformed.is_empty());
        assert_eq!(lease, Some(7));
        let (who, remember) = Identity::parse(change.identify.as_deref().unwrap()).unwrap();
        assert_eq!((who, remember), (alice, true));
        let expected = Change {
            patch: Some(r#"{"a":1,"b":null}"#.to_owned()),
            identify: change.identify.clone(),
            idle: Some(Seconds(600)),
            rotate: true,
            end: true,
            ..Change::default()
        };
        assert_eq!(change, expected);
    }

    #[test]
    fn identify_requests_rotation() {
        let changes = Changes::new().identify(&Identity::new("alice")).unwrap();
        assert!(
            changes
                .controls()
                .contains(&("x-session-rotate", "1".to_owned()))
        );
    }

    #[test]
    fn debug_output_hides_data_and_identity() {
        let changes = Changes::new()
            .set("card", "4111")
            .identify(&Identity::new("alice"))
            .unwrap();
        let printed = format!("{changes:?}");
        for secret in ["card", "4111", "alice"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }

    #[test]
    fn no_changes_mean_no_controls() {
        assert!(Changes::new().controls().is_empty());
    }

    #[test]
    fn line_break_in_a_value_cannot_split_a_header() {
        let changes = Changes::new().set("text", "one\ntwo\r\nx-session-destroy: 1");
        let (_, patch) = changes.controls().remove(0);
        assert!(!patch.contains('\n'), "{patch}");
    }
}
