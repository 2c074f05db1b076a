//! Defines needs and answers: what the core requests from the outside, and what comes back.
//!
//! The core never waits. A step that lacks something returns a [`Need`] and is called again with the answer among
//! [`Answers`]; it returns values to store as [`Write`]s. "Absent" and "could not read" are different answers
//! throughout, because the first ends a session and the second must not.

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

/// Effect that the caller must perform before it repeats the step. The caller performs several at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Read a key of the KV namespace.
    Read {
        /// The storage key.
        key: String,
        /// Milliseconds to wait first, to give lagging storage time.
        after_ms: u32,
    },
    /// List the keys of the KV namespace with a prefix.
    List {
        /// The prefix.
        prefix: String,
    },
    /// Send a command to a Durable Object.
    Call {
        /// Class of the object.
        class: Class,
        /// Name of the object.
        name: String,
        /// Command: one line of JSON.
        command: String,
        /// Key of the answer.
        key: String,
        /// Maximum duration in milliseconds, including all retries.
        deadline_ms: u32,
    },
    /// Read a tenants' document.
    Document {
        /// `tenant:<id>`, `host:<pattern>`, or `history:<id>:<version>`.
        key: String,
    },
    /// List the keys of tenants' documents with a prefix.
    Documents {
        /// The prefix.
        prefix: String,
    },
    /// Store these documents, then delete these keys, in this order, and wait for the acknowledgement.
    Keep {
        /// Keys and texts to store.
        puts: Vec<(String, String)>,
        /// Keys to delete.
        deletes: Vec<String>,
    },
    /// Check the platform's rate limit on new sessions. The answer is `1` within the limit, `0` over it.
    Limit {
        /// Key that is counted, and key of the answer.
        key: String,
    },
    /// Send a request to another server. The answer is the status, a line break, and the body.
    Fetch {
        /// Key of the answer.
        key: String,
        /// Request to send.
        call: Outbound,
    },
    /// Verify a signature (WebCrypto). The answer is `1` if it is valid, `0` if not.
    Verify {
        /// Key of the answer.
        key: String,
        /// Public key, as JSON (RFC 7517).
        jwk: String,
        /// Signature algorithm.
        algorithm: Algorithm,
        /// Signed text.
        input: String,
        /// Signature, as base64url.
        signature: String,
    },
    /// Sign with ES256 (WebCrypto). The answer is the text, a full stop, and the signature.
    Sign {
        /// Key of the answer.
        key: String,
        /// P-256 private key.
        private: [u8; 32],
        /// Text to sign.
        input: String,
    },
    /// Derive the public key of a P-256 key. The answer is JSON (RFC 7517).
    PublicKey {
        /// Key of the answer.
        key: String,
        /// P-256 private key.
        private: [u8; 32],
    },
    /// Check a password against a hash. The answer is `1` if it matches, `0` if not.
    CheckPassword {
        /// Key of the answer.
        key: String,
        /// Password to check.
        password: String,
        /// PHC string; `None` checks a decoy, which never matches and costs as much.
        hash: Option<String>,
    },
    /// Hash a password. The answer is a PHC string.
    HashPassword {
        /// Key of the answer.
        key: String,
        /// Password to hash.
        password: String,
    },
    /// Normalise a name for comparison: trimmed, lower case, Unicode NFC. The runtime has the tables for that.
    Fold {
        /// Key of the answer.
        key: String,
        /// Name to normalise.
        text: String,
    },
    /// Return this text as the answer when the step repeats, so that a random choice is made only once.
    Note {
        /// Key of the answer.
        key: String,
        /// Text to return.
        text: String,
    },
    /// Get a tenant's file, and return the facts about it.
    Asset {
        /// Tenant; its cached files serve no other tenant.
        tenant: TenantId,
        /// URL, or document key, of the file.
        source: String,
    },
    /// Get a file of the build. The answer has its hash and length, and is stored under the file's name like a
    /// tenant's file under its source.
    BuiltFile {
        /// Name in `src/worker/js/runtime.js`.
        name: &'static str,
        /// Content coding to read.
        coding: Coding,
    },
    /// Read the body of the request, or in a decision on a response, of that.
    Body {
        /// Maximum length, in bytes.
        limit: usize,
    },
    /// Store the step's writes, and wait for the acknowledgement.
    Store,
    /// Wait. The answer is [`Found::Absent`], and counts as one more attempt.
    Pause {
        /// Key of the answer.
        key: String,
        /// Duration in milliseconds.
        ms: u32,
    },
}

impl Need {
    /// Creates a read of this key without a wait.
    #[must_use]
    pub(crate) fn read(key: &str) -> Self {
        Self::Read {
            key: key.to_owned(),
            after_ms: 0,
        }
    }
}

/// Default deadline of a call to an object, in milliseconds.
pub(crate) const CALL_DEADLINE_MS: u32 = 2_000;

/// Request to another server. `Debug` shows only the URL: the rest may hold secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Value", try_from = "Value")]
pub struct Outbound {
    /// Target URL.
    pub url: String,
    /// `Authorization` header, if any.
    pub authorization: Option<String>,
    /// Form body; makes the request a POST.
    pub form: Option<String>,
    /// Maximum length of the response that is read, in bytes.
    pub limit: usize,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbound({})", self.url)
    }
}

impl From<Outbound> for Value {
    /// Converts it into an array: URL, authorization, form, limit.
    fn from(call: Outbound) -> Self {
        json!([call.url, call.authorization, call.form, call.limit])
    }
}

impl TryFrom<Value> for Outbound {
    type Error = Unexpected;

    /// Reads the array. Ignores elements that a later release adds.
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

/// Response of another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply<'a> {
    /// Status code.
    pub status: u16,
    /// The body.
    pub body: &'a str,
}

impl<'a> Reply<'a> {
    /// Parses the answer to a [`Need::Fetch`].
    #[must_use]
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (status, body) = core::str::from_utf8(bytes).ok()?.split_once('\n')?;
        Some(Self {
            status: status.parse().ok()?,
            body,
        })
    }
}

/// Class of Durable Objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// One object per session: orders its changes. See `crate::session_object`.
    Session,
    /// One object per tenant: keeps its revocations and lists its sessions. See `crate::store::session_index`.
    Directory,
    /// One object per tenant: merges what isolates report about its origins. See `crate::balancer::cluster_view`.
    Pool,
    /// One object per account or token: counts the attempts to use it. See `crate::auth::login_throttle`.
    Attempts,
    /// Adds up the figures that isolates report.
    Telemetry,
}

/// Value to store. `Debug` shows only its length.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Write {
    /// Storage key.
    pub key: String,
    /// Sealed bytes.
    pub value: Vec<u8>,
    /// Time to live in storage; whole seconds, at least 60.
    pub ttl: Seconds,
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Write({} bytes)", self.value.len())
    }
}

impl Write {
    /// Creates a write of this value under this key.
    #[must_use]
    pub(crate) fn new(key: &str, value: Vec<u8>, ttl: Seconds) -> Self {
        Self {
            key: key.to_owned(),
            value,
            ttl,
        }
    }
}
