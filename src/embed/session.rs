//! The session as a handler gets it.

use core::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::gateway::Visit;
use crate::session::identity::Identity;
use crate::upstream::request_headers::State;

/// The session that a request belongs to. It is a copy: what a handler wants changed it returns as
/// [`Changes`](crate::Changes).
///
/// A handler gets one from `Vestibule::handle`. For its own tests it makes one:
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
    /// Makes a guest's session without data, as the first request of a visitor has it.
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

    /// Returns the same session with this data.
    #[must_use]
    pub fn with_data(self, data: Map<String, Value>) -> Self {
        Self { data, ..self }
    }

    /// Returns the same session of somebody who has signed in.
    #[must_use]
    pub fn with_identity(self, identity: Identity) -> Self {
        Self {
            identity: Some(identity),
            ..self
        }
    }

    /// Reads the session that a request to an origin would carry.
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

    /// Returns the public id, which is useless as a credential. It changes when somebody signs in, and at no other time.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the tenant's id.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Returns the user's name, if somebody has signed in.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.identity.as_ref().map(|who| who.user.as_str())
    }

    /// Returns who has signed in; `None` for a guest.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Returns all data.
    #[must_use]
    pub fn data(&self) -> &Map<String, Value> {
        &self.data
    }

    /// Reads a member of the data; `None` if there is none of that name.
    ///
    /// # Errors
    /// Returns the fault if the member has another shape.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, serde_json::Error> {
        self.data.get(name).map(T::deserialize).transpose()
    }

    /// Returns how the session is to be taken: whether it is new, and whether its data may be out of date.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns when it began, in seconds since 1970.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.created
    }

    /// Returns when it ends unless it is used again, in seconds since 1970.
    #[must_use]
    pub fn expires(&self) -> u64 {
        self.expires
    }
}

/// Shows what may be logged: neither who it is nor the data.
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
