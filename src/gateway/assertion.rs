//! Signs `X-Session-Assertion` (`docs/reference/headers.md`): a JWT that names the visitor, for verifying origins.
//!
//! The runtime's WebCrypto signs with a key derived for the tenant (ES256). An assertion is valid for two minutes and
//! reused for one, so a session costs one signature a minute in each isolate.

use super::authorize::Authorized;
use super::parts::Recorder;
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::Value;

use super::authenticate::Visitor;
use super::{Gateway, Interrupt, RequestContext};
use crate::clock::{Seconds, UnixSeconds};
use crate::cookie::token::Token;
use crate::effect::{Answers, Found, Need};
use crate::encoding;
use crate::encoding::json;
use crate::keys::{KeyRing, TenantKey};
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::session::id::Handle;
use crate::session::record::Version;
use crate::telemetry::log::{Event, Level};
use crate::tenant::Tenant;

/// What a new guest's assertion is filed under begins so.
const OF_NEW_GUEST: &str = "assertion of new guest ";

/// Time for which an assertion is valid.
const VALID: Seconds = Seconds(120);

/// Time for which an assertion is reused.
const USED: Seconds = Seconds(60);

/// Token type (`typ`), which distinguishes assertions from all other tokens (RFC 8725 section 3.11).
const KIND: &str = "session+jwt";

/// Maximum number of cached assertions. Beyond it the cache is emptied, which costs one signature per session.
const MAX_COUNT: usize = 4_096;

/// Cached assertions.
pub(crate) struct Assertions {
    pub(crate) tenant: Rc<Tenant>,
    made: HashMap<Handle, Made>,
}

struct Made {
    token: String,
    at: UnixSeconds,
    version: Version,
    audience: String,
}

/// Request with an assertion of its visitor, for origins that verify one.
pub(super) struct Asserted<'a> {
    pub(super) visitor: Visitor,
    pub(super) context: &'a RequestContext<'a>,
    /// Assertion; `None` if the tenant wants none, or none can be made.
    pub(super) assertion: Option<String>,
}

impl<'a> Asserted<'a> {
    /// Creates a request without a session.
    pub(super) fn anonymous(visitor: Visitor, context: &'a RequestContext<'a>) -> Self {
        Self {
            visitor,
            context,
            assertion: None,
        }
    }
}

impl Gateway {
    /// Signs an assertion of the visitor, if the tenant wants one.
    ///
    /// # Errors
    /// Returns the signature to perform first.
    pub(super) fn assert_identity<'a>(
        &mut self,
        request: Authorized<'a>,
    ) -> Result<Asserted<'a>, Interrupt> {
        let Authorized { visitor, context } = request;
        let assertion = if self.tenant.asserts {
            self.assertions
                .assertion(&mut self.recorder, &visitor, context)?
        } else {
            None
        };
        Ok(Asserted {
            visitor,
            context,
            assertion,
        })
    }
}

impl Assertions {
    /// Creates an empty cache.
    pub(crate) fn new(tenant: Rc<Tenant>) -> Self {
        Self {
            tenant,
            made: HashMap::new(),
        }
    }

    /// Returns the assertion for a visitor; `None` if none can be made.
    #[inline(never)]
    pub(crate) fn assertion(
        &mut self,
        recorder: &mut Recorder,
        visitor: &Visitor,
        context: &RequestContext<'_>,
    ) -> Result<Option<String>, Interrupt> {
        let now = context.now.seconds();
        let record = &visitor.session.record;
        let location = &context.request.location;
        let issuer = format!("{}://{}", location.scheme, location.authority);
        if let Some(made) = self.made.get(&record.handle)
            && now.since(made.at) < USED
            && made.version == record.version
            && made.audience == issuer
        {
            return Ok(Some(made.token.clone()));
        }
        let key = filed_under(visitor);
        match context.answers.found(&key) {
            None => {
                let signing = self.tenant.keys.signing();
                let header = json!({ "alg": "ES256", "kid": kid(signing), "typ": KIND });
                let claims = self.claims(visitor, &issuer, now);
                let part = |value: &Value| encoding::base64url(value.to_string().as_bytes());
                Err(Interrupt::Pending(vec![Need::Sign {
                    key,
                    private: signing.assertion_key,
                    input: format!("{}.{}", part(&header), part(&claims)),
                }]))
            }
            Some(Found::Bytes(token)) => {
                let token = String::from_utf8_lossy(token).into_owned();
                let made = Made {
                    token: token.clone(),
                    at: now,
                    version: record.version,
                    audience: issuer,
                };
                if self.made.len() >= MAX_COUNT {
                    self.made.clear();
                }
                self.made.insert(record.handle, made);
                Ok(Some(token))
            }
            Some(Found::Absent | Found::Unavailable) => {
                recorder.emit(Event::new(Level::Error, "assertion_not_signed"));
                Ok(None)
            }
        }
    }

    fn claims(&self, visitor: &Visitor, issuer: &str, now: UnixSeconds) -> Value {
        let record = &visitor.session.record;
        let mut claims = json!({
            "iss": issuer,
            "aud": self.tenant.id.as_str(),
            "sid": visitor.session.handle,
            "iat": now.0,
            "exp": (now + VALID).0,
        });
        if let (Some(who), Some(members)) = (&record.identity, claims.as_object_mut()) {
            members.insert("sub".to_owned(), json!(who.user));
            let at = record.authenticated.map(|at| json!(at.0));
            members.extend(at.map(|at| ("auth_time".to_owned(), at)));
        }
        claims
    }

    /// Answers `GET /jwks.json` with the public keys, the signing key first.
    pub(crate) fn public_keys(&self, context: &RequestContext<'_>) -> Result<Answer, Interrupt> {
        if !self.tenant.asserts {
            return Err(Problem::NotFound.into());
        }
        let mut needs = Vec::new();
        let mut keys = Vec::new();
        for key in self.tenant.keys.all() {
            let name = format!("public {}", kid(key));
            match context.answers.found(&name) {
                None => needs.push(Need::PublicKey {
                    key: name,
                    private: key.assertion_key,
                }),
                Some(Found::Bytes(jwk)) => {
                    let mut jwk = encoding::from_json(jwk).unwrap_or_default();
                    if let Some(members) = jwk.as_object_mut() {
                        members.insert("kid".to_owned(), json!(kid(key)));
                        members.insert("alg".to_owned(), json!("ES256"));
                        members.insert("use".to_owned(), json!("sig"));
                    }
                    keys.push(jwk);
                }
                Some(_) => return Err(Problem::Internal.into()),
            }
        }
        if !needs.is_empty() {
            return Err(Interrupt::Pending(needs));
        }
        let mut answer = Answer::json(200, &json!({ "keys": keys }));
        answer.headers.retain(|(name, _)| *name != "cache-control");
        Ok(answer.with("cache-control", "public, max-age=300"))
    }
}

/// Returns what a visitor's assertion is filed under. For a new guest that is its cookie: the step is asked again
/// with the signature, and must not begin another guest then.
fn filed_under(visitor: &Visitor) -> String {
    if visitor.is_new {
        [OF_NEW_GUEST, &visitor.cookie].concat()
    } else {
        format!("assertion of {}", visitor.session.handle)
    }
}

/// Returns the guest that this step has begun already, to have its assertion signed.
pub(super) fn begun_guest(answers: &Answers, keys: &KeyRing) -> Option<Token> {
    let cookie = answers.key_after(OF_NEW_GUEST)?;
    Token::opened(cookie, keys)
}

fn kid(key: &TenantKey) -> String {
    let mut kid = String::new();
    encoding::push_hex(&mut kid, &key.id);
    kid
}
