//! Defines the session that a handler gets.

use core::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::gateway::Visit;
use crate::session::identity::Identity;
use crate::upstream::request_headers::State;

/// Session of a request, as a copy. A handler requests changes by returning [`Changes`](crate::Changes).
///
/// `Vestibule::handle` passes one to the handler. Tests of a handler create their own:
///
/// ```
/// use serde_json::json;
/// use vestibule::{Identity, Session};
///
/// let session = Session::guest("acme")
///     .with_data(json!({ "visits": 2 }).as_object().cloned().unwrap_or_default())
///     .with_identity(Identity::new("alice"));
///
/// assert_eq!(session.tenant(), "acme");
/// assert_eq!(session.user(), Some("alice"));
/// assert_eq!(session.get::<u64>("visits")?, Some(2));
/// assert_eq!(session.get::<u64>("clicks")?, None);
/// assert!(session.get::<String>("visits").is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Session {
    id: String,
    tenant: String,
    state: State,
    identity: Option<Identity>,
    data: Map<String, Value>,
    created: u64,
    expires: u64,
}

impl Session {
    /// Creates a guest's session without data, as on a visitor's first request.
    #[must_use]
    pub fn guest(tenant: &str) -> Self {
        Self {
            id: "guest".to_owned(),
            tenant: tenant.to_owned(),
            state: State::New,
            identity: None,
            data: Map::new(),
            created: 0,
            expires: 0,
        }
    }

    /// Replaces the data.
    #[must_use]
    pub fn with_data(self, data: Map<String, Value>) -> Self {
        Self { data, ..self }
    }

    /// Replaces the identity: the session of a signed-in user.
    #[must_use]
    pub fn with_identity(self, identity: Identity) -> Self {
        Self {
            identity: Some(identity),
            ..self
        }
    }

    /// Creates the session that a request to an origin would carry.
    pub(crate) fn of(tenant: &str, visit: &Visit) -> Self {
        let record = &visit.session.record;
        Self {
            id: visit.session.handle.clone(),
            tenant: tenant.to_owned(),
            state: visit.state,
            identity: record.identity.clone(),
            data: serde_json::from_str(record.data.to_json()).unwrap_or_default(),
            created: record.created.0,
            expires: visit.expires.0,
        }
    }

    /// Returns the public id, which is no credential. It changes only when a user signs in.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the tenant's id.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Returns the user's id; `None` for a guest.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.identity.as_ref().map(|who| who.user.as_str())
    }

    /// Returns the identity; `None` for a guest.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Returns all data.
    #[must_use]
    pub fn data(&self) -> &Map<String, Value> {
        &self.data
    }

    /// Reads a member of the data; `None` if it does not exist.
    ///
    /// # Errors
    /// Returns an error if the member does not deserialize to `T`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, serde_json::Error> {
        self.data.get(name).map(T::deserialize).transpose()
    }

    /// Returns the state: whether the session is new, and whether its data may be out of date.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns the time at which the session began, in Unix seconds.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.created
    }

    /// Returns the time at which the session ends unless it is used again, in Unix seconds.
    #[must_use]
    pub fn expires(&self) -> u64 {
        self.expires
    }
}

/// Shows only what may be logged: no identity and no data.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("tenant", &self.tenant)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_data_and_identity() {
        let data = Map::from_iter([("card".to_owned(), Value::from("4111"))]);
        let session = Session::guest("acme")
            .with_data(data)
            .with_identity(Identity::new("alice"));
        let printed = format!("{session:?}");
        assert!(printed.contains("acme"), "{printed}");
        for secret in ["card", "4111", "alice"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
}
