//! The messages of a session's object. In an answer the sealed record follows the line of JSON.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::auth::token_refresh::Renewal;
use crate::clock::{Seconds, UnixMillis, UnixSeconds};
use crate::effect::{CALL_DEADLINE_MS, Class, Need, Outbound};
use crate::encoding;
use crate::message::{self, MessageError};
use crate::session::change::Change;
use crate::session::id::{Handle, SessionId, SignIn};
use crate::session::lifetime::Lifetime;
use crate::session::record::{Epoch, Version};
use crate::tenant_id::TenantId;

/// Something said to a session's object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Command {
    /// The tenant's limits.
    pub lifetime: Lifetime,
    /// The most sessions a user may have.
    pub max_per_user: Option<u64>,
    /// The record as the namespace has it, should the object have none: from before the tenant
    /// ordered its writes.
    pub adopt: Option<Vec<u8>>,
    /// The sign-in in the name the asker knows the session by, none for a guest: if the session has
    /// another one by now, nothing is done and [`Status::Outdated`] is the answer. None if the asker means the
    /// session whoever signed in.
    pub named: Option<Option<SignIn>>,
    /// What to do.
    pub order: Operation,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Operation {
    /// Tell what there is.
    Read,
    /// Tell what there is, and show it to the namespace again, which has invalid data.
    Repair,
    /// Change it.
    Change(Box<UpdateCommand>),
    /// Take the right to change it alone, or keep it longer.
    Lease {
        /// For how long.
        seconds: Seconds,
        /// The token of whoever has it already.
        token: Option<u64>,
        /// Tells one that is delivered twice.
        #[serde(default)]
        once: u64,
    },
    /// Ask the identity provider for a new access token, if the one there is has run out.
    Refresh {
        /// Which, as the tenant names it.
        provider: String,
        /// How; the refresh token is the object's to add.
        call: Outbound,
        /// What the provider's word is judged by that comes with it; an older release says nothing of that.
        #[serde(default)]
        renewal: Option<Box<Renewal>>,
    },
    /// Give that right back.
    Release {
        /// Its token.
        token: u64,
    },
}

/// A change, and when it is to be applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct UpdateCommand {
    /// What is asked.
    pub change: Change,
    /// Tells a change that is delivered twice.
    pub once: u64,
    /// The id the asker came with; none for one who needs no cookie.
    #[serde(
        default,
        serialize_with = "write_optional_id",
        deserialize_with = "read_optional_id"
    )]
    pub id: Option<SessionId>,
    /// How the session begins if nothing is recorded of it yet.
    pub begin: Option<InitialState>,
    /// The last revocation the asker knows.
    #[serde(default)]
    pub epoch: Epoch,
    /// Only to this version.
    #[serde(rename = "if")]
    pub if_version: Option<Version>,
    /// The token of the asker's lease.
    pub lease: Option<u64>,
}

/// A session of which nothing is recorded yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InitialState {
    /// Its id.
    #[serde(serialize_with = "write_id", deserialize_with = "read_id")]
    pub id: SessionId,
    /// When it began.
    pub created: UnixSeconds,
    /// On what kind of device.
    pub device: Option<String>,
    /// In which country.
    pub country: Option<String>,
}

impl UpdateCommand {
    /// A change nobody set a condition for.
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
    /// To say it to the object of a session; the answer is filed under `key`.
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

    /// Returns the command as text.
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

    /// Reads a command; the counterpart of [`Command::to_text`].
    ///
    /// # Errors
    /// Returns why it is none of this release.
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

/// A command as it is written.
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

/// The object's name: tenant and handle.
#[must_use]
pub(crate) fn object_name(tenant: &TenantId, handle: Handle) -> String {
    format!("{tenant}/{}", handle.to_text())
}

/// The counterpart of [`object_name`].
#[must_use]
pub(crate) fn parse_object_name(name: &str) -> Option<(TenantId, Handle)> {
    let (tenant, handle) = name.split_once('/')?;
    Some((TenantId::parse(tenant)?, Handle::parse(handle)?))
}

/// What an object says there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// A record; it follows.
    Live,
    /// A session that was ended.
    Ended,
    /// Nothing.
    Absent,
    /// The asker's id, or the sign-in in the asker's name for the session, is not valid any more.
    Outdated,
    /// Another version than the asker's; the record follows.
    Conflict,
    /// Somebody else's lease.
    Held,
    /// A record that cannot be read.
    Unreadable,
}

/// What an object answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// What there is.
    pub is: Status,
    /// What was asked and not granted.
    pub refused: Vec<String>,
    /// The lease's token, and until when it holds.
    pub lease: Option<(u64, UnixMillis)>,
    /// What the caller waits for was not done: the change will be announced later.
    pub unannounced: bool,
    /// The record, sealed.
    pub sealed: Vec<u8>,
}

impl Reply {
    /// An answer without anything else.
    #[must_use]
    pub(crate) fn is(is: Status) -> Self {
        Self {
            is,
            refused: Vec::new(),
            lease: None,
            unannounced: false,
            sealed: Vec::new(),
        }
    }

    /// Returns the line of JSON and the record.
    #[must_use]
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let line = message::write(&Line {
            is: self.is,
            lease: self.lease.map(|(token, until)| (token, until.0)),
            refused: self.refused.clone(),
            unannounced: self.unannounced,
        });
        [line.as_bytes(), b"\n", &self.sealed].concat()
    }

    /// Parses an answer; the counterpart of [`Reply::to_bytes`].
    #[must_use]
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let line: Line = message::read(bytes.get(..end)?).ok()?;
        Some(Self {
            is: line.is,
            refused: line.refused,
            lease: line.lease.map(|(token, until)| (token, UnixMillis(until))),
            unannounced: line.unannounced,
            sealed: bytes.get(end + 1..)?.to_vec(),
        })
    }
}

/// An answer's line.
#[derive(Serialize, Deserialize)]
struct Line {
    is: Status,
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
