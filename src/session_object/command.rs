//! Defines the messages of a session's object. In a reply the sealed record follows the line of JSON.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::auth::token_refresh::Renewal;
use crate::clock::{Seconds, UnixMillis, UnixSeconds};
use crate::effect::{CALL_DEADLINE_MS, Class, Need, Outbound};
use crate::encoding;
use crate::message::{self, MessageError, is_neutral};
use crate::session::change::Change;
use crate::session::id::{Handle, SessionId, SignIn};
use crate::session::lifetime::Lifetime;
use crate::session::record::{Epoch, Version};
use crate::tenant_id::TenantId;

/// Command to a session's object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Command {
    /// Limits of the tenant.
    pub lifetime: Lifetime,
    /// Maximum sessions of a user.
    pub max_per_user: Option<u64>,
    /// Record from the namespace, in case the object has none: it dates from before the tenant used `strong`
    /// consistency.
    pub adopt: Option<Vec<u8>>,
    /// Sign-in tag in the session name that the caller has; `Some(None)` for a guest's name. If the session has another
    /// tag now, the object does nothing and returns [`Status::Outdated`]. `None` addresses the session under any
    /// sign-in.
    pub named: Option<Option<SignIn>>,
    /// Operation to perform.
    pub order: Operation,
}

/// Operation on a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Operation {
    /// Return the entry.
    Read,
    /// Return the entry, and write it to the namespace again, which has invalid data.
    Repair,
    /// Apply a change.
    Change(Box<UpdateCommand>),
    /// Take or extend a lease, which reserves changes for its holder.
    Lease(LeaseCommand),
    /// Request a new access token from the identity provider if the current one has expired.
    Refresh {
        /// Name of the provider in the tenant document.
        provider: String,
        /// Token request; the object adds the refresh token.
        call: Outbound,
        /// Rules that the new identity is checked by; an older release sends none.
        #[serde(default)]
        renewal: Option<Box<Renewal>>,
    },
    /// Release a lease.
    Release {
        /// Token of the lease.
        token: u64,
    },
}

/// Takes a lease, or extends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaseCommand {
    /// Duration of the lease.
    pub seconds: Seconds,
    /// Token of the lease to extend.
    pub token: Option<u64>,
    /// Idempotency key.
    #[serde(default)]
    pub once: u64,
    /// Refuse changes of the data that do not name the token. An older release gives a lease that is not exclusive.
    #[serde(default, skip_serializing_if = "is_neutral")]
    pub exclusive: bool,
}

/// Change with its conditions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct UpdateCommand {
    /// Change to apply.
    pub change: Change,
    /// Idempotency key.
    pub once: u64,
    /// Session id of the caller; `None` for a caller without a cookie.
    #[serde(
        default,
        serialize_with = "write_optional_id",
        deserialize_with = "read_optional_id"
    )]
    pub id: Option<SessionId>,
    /// Begin of the session, if it was never stored.
    pub begin: Option<InitialState>,
    /// Last revocation that the caller has seen.
    #[serde(default)]
    pub epoch: Epoch,
    /// Version that the change requires.
    #[serde(rename = "if")]
    pub if_version: Option<Version>,
    /// Token of the caller's lease.
    pub lease: Option<u64>,
}

/// Initial state of a session that was never stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InitialState {
    /// Id of the session.
    #[serde(serialize_with = "write_id", deserialize_with = "read_id")]
    pub id: SessionId,
    /// Time when the session began.
    pub created: UnixSeconds,
    /// Kind of device.
    pub device: Option<String>,
    /// Country, as two letters.
    pub country: Option<String>,
    /// Family of browsers. An older release sends none and ignores it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,
    /// First segment of the path. An older release sends none and ignores it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl UpdateCommand {
    /// Creates a change without conditions.
    #[must_use]
    pub(crate) fn new(change: Change, once: u64, epoch: Epoch) -> Self {
        Self {
            change,
            once,
            id: None,
            begin: None,
            epoch,
            if_version: None,
            lease: None,
        }
    }
}

impl Command {
    /// Builds the call to the object of a session; the answer is filed under `key`.
    #[must_use]
    pub(crate) fn need(&self, tenant: &TenantId, handle: Handle, key: String) -> Need {
        Need::Call {
            deadline_ms: CALL_DEADLINE_MS,
            class: Class::Session,
            name: object_name(tenant, handle),
            command: self.to_text(),
            key,
        }
    }

    /// Serializes the command.
    #[must_use]
    pub(crate) fn to_text(&self) -> String {
        message::write(&Message {
            absolute: self.lifetime.absolute,
            adopt: self.adopt.as_deref().map(encoding::base64url),
            idle: self.lifetime.idle,
            most: self.max_per_user,
            named: self
                .named
                .map(|sign_in| sign_in.map(SignIn::to_text).unwrap_or_default()),
            order: &self.order,
            remember: self.lifetime.remember,
        })
    }

    /// Parses a command; reverses [`Command::to_text`].
    ///
    /// # Errors
    /// Returns why the text is not a command of this release.
    pub(crate) fn parse(text: &str) -> Result<Self, MessageError> {
        let message: Message<Operation> = message::read(text.as_bytes())?;
        Ok(Self {
            lifetime: Lifetime {
                idle: message.idle,
                absolute: message.absolute,
                remember: message.remember,
            },
            max_per_user: message.most,
            adopt: message.adopt.as_deref().and_then(encoding::from_base64url),
            named: match message.named.as_deref() {
                None => None,
                Some("") => Some(None),
                Some(tag) => Some(Some(
                    SignIn::parse(tag).ok_or(MessageError::UnknownCommand)?,
                )),
            },
            order: message.order,
        })
    }
}

/// Serialized form of a command.
#[derive(Serialize, Deserialize)]
struct Message<O> {
    absolute: Seconds,
    adopt: Option<String>,
    idle: Seconds,
    most: Option<u64>,
    named: Option<String>,
    #[serde(bound(serialize = "O: Serialize"), serialize_with = "message::command")]
    order: O,
    remember: Seconds,
}

fn write_id<S: Serializer>(id: &SessionId, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&encoding::base64url(id.as_bytes()))
}

fn write_optional_id<S: Serializer>(id: &Option<SessionId>, to: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => write_id(id, to),
        None => to.serialize_none(),
    }
}

fn read_id<'de, D: Deserializer<'de>>(from: D) -> Result<SessionId, D::Error> {
    let id = read_optional_id(from)?;
    id.ok_or_else(|| serde::de::Error::custom("not a session's id"))
}

fn read_optional_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SessionId>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    let bytes = text.and_then(|text| encoding::from_base64url_exact(&text));
    Ok(bytes.map(SessionId::from_bytes))
}

/// Returns the object's name: tenant and handle.
#[must_use]
pub(crate) fn object_name(tenant: &TenantId, handle: Handle) -> String {
    format!("{tenant}/{}", handle.to_text())
}

/// Reverses [`object_name`].
#[must_use]
pub(crate) fn parse_object_name(name: &str) -> Option<(TenantId, Handle)> {
    let (tenant, handle) = name.split_once('/')?;
    Some((TenantId::parse(tenant)?, Handle::parse(handle)?))
}

/// State of the session in an object's reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// The session is live; its record follows.
    Live,
    /// The session was ended.
    Ended,
    /// The object has no entry.
    Absent,
    /// The caller's id, or the sign-in in its name for the session, is no longer valid.
    Outdated,
    /// The version differs from the required one; the record follows.
    Conflict,
    /// Another caller holds the lease.
    Held,
    /// The object cannot read the record.
    Unreadable,
}

/// Reply of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// State of the session.
    pub is: Status,
    /// Names of the refused parts of the change.
    pub refused: Vec<String>,
    /// Token and end of the lease that was given, or that holds up the change.
    pub lease: Option<(u64, UnixMillis)>,
    /// Whether the lease that was given is exclusive.
    pub exclusive: bool,
    /// Whether the announcement that the caller waited for failed; the object will retry it.
    pub unannounced: bool,
    /// Sealed record.
    pub sealed: Vec<u8>,
}

impl Reply {
    /// Creates a reply with a status only.
    #[must_use]
    pub(crate) fn is(is: Status) -> Self {
        Self {
            is,
            refused: Vec::new(),
            lease: None,
            exclusive: false,
            unannounced: false,
            sealed: Vec::new(),
        }
    }

    /// Serializes the line of JSON and the record.
    #[must_use]
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let line = message::write(&Line {
            is: self.is,
            exclusive: self.exclusive,
            lease: self.lease.map(|(token, until)| (token, until.0)),
            refused: self.refused.clone(),
            unannounced: self.unannounced,
        });
        [line.as_bytes(), b"\n", &self.sealed].concat()
    }

    /// Parses a reply; reverses [`Reply::to_bytes`].
    #[must_use]
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let line: Line = message::read(bytes.get(..end)?).ok()?;
        Some(Self {
            is: line.is,
            refused: line.refused,
            lease: line.lease.map(|(token, until)| (token, UnixMillis(until))),
            exclusive: line.exclusive,
            unannounced: line.unannounced,
            sealed: bytes.get(end + 1..)?.to_vec(),
        })
    }
}

/// First line of a reply.
#[derive(Serialize, Deserialize)]
struct Line {
    is: Status,
    #[serde(default, skip_serializing_if = "is_neutral")]
    exclusive: bool,
    #[serde(default)]
    lease: Option<(u64, u64)>,
    #[serde(default)]
    refused: Vec<String>,
    #[serde(default)]
    unannounced: bool,
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
