//! Defines needs and answers: what the core requests from the outside, and what comes back.
//!
//! The core never waits. A step that lacks something says what ([`Need`]) and is called again with
//! the answer among [`Answers`]; what it wants stored it returns as [`Write`]s. "Absent" and
//! "could not read" are different answers all the way up, because the first ends a session and the
//! second must not.

pub(crate) mod algorithm;
mod answers;
pub(crate) mod asset;

use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Seconds;
use crate::encoding::json;
use crate::message::Unexpected;
use crate::tenant_id::TenantId;

pub(crate) use answers::{Answers, Body, Failed, Failure, Found, Seed};
use asset::Coding;

use algorithm::Algorithm;

/// Something the caller must do before the step can go on. Several are done at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Read this key of the namespace.
    Read {
        /// The storage key.
        key: String,
        /// Milliseconds to wait first: storage is behind and is being given time.
        after_ms: u32,
    },
    /// List the names of the namespace that begin so.
    List {
        /// The prefix.
        prefix: String,
    },
    /// Say this to a Durable Object.
    Call {
        /// Which class.
        class: Class,
        /// Which object.
        name: String,
        /// What: one line of JSON.
        command: String,
        /// What its answer is filed under.
        key: String,
        /// How many milliseconds it may take, with everything that is tried again.
        deadline_ms: u32,
    },
    /// Read what is kept of tenants under this key.
    Document {
        /// `tenant:<id>`, `host:<pattern>`, or `history:<id>:<version>`.
        key: String,
    },
    /// List the keys under which something is kept of tenants, and that begin so.
    Documents {
        /// The prefix.
        prefix: String,
    },
    /// Keep these texts of tenants, then delete what is under those keys, in this order, and wait for
    /// the acknowledgement.
    Keep {
        /// Keys and texts.
        puts: Vec<(String, String)>,
        /// Keys.
        deletes: Vec<String>,
    },
    /// Ask the platform's rate limit on new sessions; what it says is filed under the key: `1` for
    /// within the limit, `0` for over it.
    Limit {
        /// Whose count.
        key: String,
    },
    /// Say this to somebody else's server. What it answers is filed under the key: the status, a line
    /// break, the body.
    Fetch {
        /// The key.
        key: String,
        /// What.
        call: Outbound,
    },
    /// Verify a signature (WebCrypto); `1` is filed under the key if it is good, `0` if not.
    Verify {
        /// The key.
        key: String,
        /// The public key, as JSON (RFC 7517).
        jwk: String,
        /// The algorithm.
        algorithm: Algorithm,
        /// What was signed.
        input: String,
        /// The signature, as base64url.
        signature: String,
    },
    /// Sign with ES256 (WebCrypto); what was signed, a full stop and the signature are filed under the key.
    Sign {
        /// The key.
        key: String,
        /// A P-256 private key.
        private: [u8; 32],
        /// What is to be signed.
        input: String,
    },
    /// Tell the public half of a P-256 key, as JSON (RFC 7517), which is filed under the key.
    PublicKey {
        /// The key.
        key: String,
        /// The private key.
        private: [u8; 32],
    },
    /// Check a password against a hash, or against one that fits nothing and costs as much; `1` is filed
    /// under the key if it is right, `0` if not.
    CheckPassword {
        /// The key.
        key: String,
        /// The password.
        password: String,
        /// A PHC text.
        hash: Option<String>,
    },
    /// Hash a password; the PHC text is filed under the key.
    HashPassword {
        /// The key.
        key: String,
        /// The password.
        password: String,
    },
    /// Put a name into the one form in which names are compared: without blanks around it, in lower case, in
    /// Unicode's form NFC. The tables for that are the runtime's.
    Fold {
        /// The key.
        key: String,
        /// The name.
        text: String,
    },
    /// Hand this back under the key when the step is asked again: what was drawn at random must not be
    /// drawn twice.
    Note {
        /// The key.
        key: String,
        /// What.
        text: String,
    },
    /// Get this file of a tenant, and say what it is.
    Asset {
        /// Whose: what is kept of it is nobody else's.
        tenant: TenantId,
        /// A URL, or a key as of a document.
        source: String,
    },
    /// Get this file of the console, and say what it is: of its hash and its length, and filed under its name as a
    /// tenant's file is under its source.
    ConsoleFile {
        /// Which.
        name: &'static str,
        /// How it is written.
        coding: Coding,
    },
    /// Read the request's body.
    Body {
        /// The most bytes that are taken.
        limit: usize,
    },
    /// Store what is to be written, and wait for the acknowledgement.
    Store,
    /// Wait for so long; then nothing is filed under the key, once more.
    Pause {
        /// The key.
        key: String,
        /// Milliseconds.
        ms: u32,
    },
}

impl Need {
    /// To read this key at once.
    #[must_use]
    pub(crate) fn read(key: &str) -> Self {
        Self::Read {
            key: key.to_owned(),
            after_ms: 0,
        }
    }
}

/// How many milliseconds a call to an object may take, unless said otherwise.
pub(crate) const CALL_DEADLINE_MS: u32 = 2_000;

/// A request to somebody else's server. Cannot be printed: it may carry secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Value", try_from = "Value")]
pub struct Outbound {
    /// Where to.
    pub url: String,
    /// `Authorization`, if one is sent.
    pub authorization: Option<String>,
    /// A form, if it is a POST.
    pub form: Option<String>,
    /// The most bytes of its answer that are read.
    pub limit: usize,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbound({})", self.url)
    }
}

impl From<Outbound> for Value {
    /// Returns an array: URL, authorization, form, limit.
    fn from(call: Outbound) -> Self {
        json!([call.url, call.authorization, call.form, call.limit])
    }
}

impl TryFrom<Value> for Outbound {
    type Error = Unexpected;

    /// Reads the array. Elements that a later release adds are ignored.
    fn try_from(value: Value) -> Result<Self, Unexpected> {
        let text = |at: usize| value.get(at).and_then(Value::as_str).map(str::to_owned);
        let limit = value.get(3).and_then(Value::as_u64);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let (url, limit) = text(0).zip(limit).ok_or(Unexpected("a request"))?;
        Ok(Self {
            url,
            authorization: text(1),
            form: text(2),
            limit,
        })
    }
}

/// What somebody else's server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply<'a> {
    /// Status code.
    pub status: u16,
    /// The body.
    pub body: &'a str,
}

impl<'a> Reply<'a> {
    /// Reads what was filed for a [`Need::Fetch`].
    #[must_use]
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (status, body) = core::str::from_utf8(bytes).ok()?.split_once('\n')?;
        Some(Self {
            status: status.parse().ok()?,
            body,
        })
    }
}

/// The classes of Durable Objects there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// One for each session: orders its changes. See `crate::session_object`.
    Session,
    /// One for each tenant: knows its revocations and lists its sessions. See
    /// `crate::store::session_index`.
    Directory,
    /// One for each tenant: gathers what isolates know about its origins. See
    /// `crate::balancer::cluster_view`.
    Pool,
    /// One for each account, or token, that counts how often it is tried. See
    /// `crate::auth::login_throttle`.
    Attempts,
    /// Adds up what isolates tell of themselves.
    Telemetry,
}

/// A value to be stored. Neither its key nor its bytes can be printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Write {
    /// The storage key.
    pub key: String,
    /// The sealed bytes.
    pub value: Vec<u8>,
    /// How long storage keeps it; whole seconds, at least 60.
    pub ttl: Seconds,
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Write({} bytes)", self.value.len())
    }
}

impl Write {
    /// Stores this value under this key.
    #[must_use]
    pub(crate) fn new(key: &str, value: Vec<u8>, ttl: Seconds) -> Self {
        Self {
            key: key.to_owned(),
            value,
            ttl,
        }
    }
}
