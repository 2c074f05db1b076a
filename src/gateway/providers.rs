//! Caches what identity providers publish: their metadata and keys.
//!
//! The gateway fetches both on demand. It uses a copy for an hour without a request, and up to a day while the provider
//! does not respond. For an unknown key it requests the keys at most once a minute. Otherwise forged tokens would make
//! it flood the provider.

use super::Interrupt;
use super::parts::{Logins, Recorder};
use crate::auth::jwks::{self, KeySet};
use crate::auth::jws::{BadToken, Unverified};
use crate::auth::provider::{self, Metadata};
use crate::clock::UnixMillis;
use crate::effect::{Answers, Found, Need, Outbound, Reply};
use crate::flat_map::FlatMap;
use crate::response::problem::Problem;
use crate::response::sign_in::SignInProblem;
use crate::telemetry::log::{ConfigName, Event, Faults, Level, LogValue};

/// Time for which a cached copy is used without a request, in milliseconds.
const FRESH_MS: u64 = 3_600_000;

/// Maximum age of a cached copy while the provider does not respond, in milliseconds.
const USABLE_MS: u64 = 24 * 3_600_000;

/// Interval without requests after a failed one, in milliseconds.
const REST_MS: u64 = 10_000;

/// Interval between requests for a key that was missing, in milliseconds.
const NOT_AGAIN_MS: u64 = 60_000;

/// Cached metadata by issuer, and cached keys by URL.
#[derive(Default)]
pub(crate) struct Providers {
    metadata: FlatMap<String, (Metadata, UnixMillis)>,
    keys: FlatMap<String, Keys>,
    /// Times of failed requests, by their key.
    failed: FlatMap<String, UnixMillis>,
}

/// Keys of an issuer, with the time of their request.
struct Keys {
    set: KeySet,
    read: UnixMillis,
    /// Time of the last request for a missing key.
    missed: Option<UnixMillis>,
}

/// Result of a request to a foreign server.
pub(crate) enum Fetched<'a> {
    /// Its response, and the time of the request.
    Reply(Reply<'a>, UnixMillis),
    /// No response, or one over the size limit.
    Nothing,
}

/// Sends a request to a foreign server.
///
/// # Errors
/// Returns the request to perform first.
pub(crate) fn fetch<'a>(
    key: &str,
    answers: &'a Answers,
    call: impl FnOnce() -> Outbound,
) -> Result<Fetched<'a>, Interrupt> {
    match answers.read(key) {
        None => Err(Interrupt::Pending(vec![Need::Fetch {
            key: key.to_owned(),
            call: call(),
        }])),
        Some(read) => Ok(match read.found {
            Found::Bytes(bytes) => Reply::read(bytes)
                .map_or(Fetched::Nothing, |reply| Fetched::Reply(reply, read.asked)),
            Found::Absent | Found::Unavailable => Fetched::Nothing,
        }),
    }
}

fn get(url: &str, limit: usize) -> Outbound {
    Outbound {
        url: url.to_owned(),
        authorization: None,
        form: None,
        limit,
    }
}

impl Logins {
    /// Returns the metadata that a provider publishes.
    pub(crate) fn metadata(
        &mut self,
        recorder: &mut Recorder,
        issuer: &str,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<Metadata, Interrupt> {
        let age = |read: &UnixMillis| now.millis_since(*read);
        let known = self.providers.metadata.get(issuer);
        if let Some((metadata, read)) = known
            && age(read) < FRESH_MS
        {
            return Ok(metadata.clone());
        }
        let key = format!("discovery {issuer}");
        if answers.found(&key).is_none() && self.rests(&key, now) {
            let known = self.known_metadata(issuer, now);
            let unavailable = || Problem::from(SignInProblem::ProviderUnavailable);
            return known.ok_or_else(|| unavailable().into());
        }
        let fetched = fetch(&key, answers, || {
            get(&provider::discovery_url(issuer), provider::LARGEST)
        })?;
        let problem = match fetched {
            Fetched::Reply(Reply { status: 200, body }, requested) => {
                match Metadata::parse(body, issuer) {
                    Ok(metadata) => {
                        let known = (metadata.clone(), requested);
                        self.providers.metadata.insert(issuer.to_owned(), known);
                        return Ok(metadata);
                    }
                    Err(bad) => {
                        recorder.note_provider("idp_misconfigured", issuer, bad.0);
                        SignInProblem::ProviderMisconfigured
                    }
                }
            }
            Fetched::Reply(Reply { status, .. }, _) if status < 500 => {
                recorder.note_provider("idp_misconfigured", issuer, "discovery gave no document");
                SignInProblem::ProviderMisconfigured
            }
            Fetched::Reply(..) | Fetched::Nothing => {
                recorder.note_provider("idp_unavailable", issuer, "discovery");
                self.providers.failed.insert(key, now);
                SignInProblem::ProviderUnavailable
            }
        };
        let known = self.known_metadata(issuer, now);
        known.ok_or_else(|| Problem::from(problem).into())
    }

    /// Returns a provider's cached metadata, if it may still be used.
    pub(crate) fn known_metadata(&self, issuer: &str, now: UnixMillis) -> Option<Metadata> {
        let (metadata, read) = self.providers.metadata.get(issuer)?;
        (now.millis_since(*read) < USABLE_MS).then(|| metadata.clone())
    }

    /// Returns whether a recent failure prevents a request.
    fn rests(&self, key: &str, now: UnixMillis) -> bool {
        let failed = self.providers.failed.get(key);
        failed.is_some_and(|at| now.millis_since(*at) < REST_MS)
    }

    /// Returns the provider's sign-out URL, if it is cached.
    pub(crate) fn known_sign_out(&self, issuer: &str) -> Option<String> {
        let (metadata, _) = self.providers.metadata.get(issuer)?;
        metadata.end_session_endpoint.clone()
    }

    /// Verifies that a key at `jwks_uri` signed a token.
    ///
    /// # Errors
    /// Returns the needs to perform first, or that the keys are unavailable.
    pub(crate) fn is_signed(
        &mut self,
        recorder: &mut Recorder,
        token: &Unverified,
        jwks_uri: &str,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<Result<(), BadToken>, Interrupt> {
        let candidates = self.candidates(recorder, token, jwks_uri, answers, now)?;
        jwks::verified(candidates, token, answers).map_err(Interrupt::Pending)
    }

    fn candidates(
        &mut self,
        recorder: &mut Recorder,
        token: &Unverified,
        jwks_uri: &str,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<Vec<String>, Interrupt> {
        let fitting = |keys: &KeySet| -> Vec<String> {
            let candidates = keys.candidates(token).into_iter();
            candidates.map(str::to_owned).collect()
        };
        let known = self.providers.keys.get(jwks_uri);
        if let Some(keys) = known {
            let found = fitting(&keys.set);
            let is_fresh = now.millis_since(keys.read) < FRESH_MS;
            let was_missed = |at: UnixMillis| now.millis_since(at) < NOT_AGAIN_MS;
            if is_fresh && (!found.is_empty() || keys.missed.is_some_and(was_missed)) {
                return Ok(found);
            }
        }
        let is_missed = known.is_some();
        let key = format!("keys {jwks_uri}");
        let unavailable = || Problem::from(SignInProblem::ProviderUnavailable);
        if answers.found(&key).is_none() && self.rests(&key, now) {
            let known = self.known_keys(jwks_uri, now);
            return known.map(fitting).ok_or_else(|| unavailable().into());
        }
        let fetched = fetch(&key, answers, || get(jwks_uri, jwks::LARGEST))?;
        if let Fetched::Reply(Reply { status: 200, body }, requested) = fetched
            && let Some(keys) = KeySet::parse(body)
        {
            let found = fitting(&keys);
            for error in keys.refused() {
                let error = error.to_string();
                recorder.note_provider("idp_key_refused", jwks_uri, Faults(&error));
            }
            let keys = Keys {
                set: keys,
                read: requested,
                missed: is_missed.then_some(requested),
            };
            self.providers.keys.insert(jwks_uri.to_owned(), keys);
            return Ok(found);
        }
        recorder.note_provider("idp_unavailable", jwks_uri, "keys");
        self.providers.failed.insert(key, now);
        let known = self.known_keys(jwks_uri, now);
        known.map(fitting).ok_or_else(|| unavailable().into())
    }

    /// Returns the cached keys at `jwks_uri` that may still be used, for a session object to verify with.
    pub(crate) fn keys_to_hand_on(&self, jwks_uri: &str, now: UnixMillis) -> Option<String> {
        self.known_keys(jwks_uri, now).map(KeySet::to_text)
    }

    fn known_keys(&self, jwks_uri: &str, now: UnixMillis) -> Option<&KeySet> {
        let keys = self.providers.keys.get(jwks_uri)?;
        (now.millis_since(keys.read) < USABLE_MS).then_some(&keys.set)
    }
}

impl Recorder {
    /// Logs a fault of a provider for the operator, but never the provider's response.
    pub(crate) fn note_provider(
        &mut self,
        event: &'static str,
        issuer: &str,
        reason: impl LogValue,
    ) {
        let event = Event::new(Level::Warn, event).with("issuer", ConfigName(issuer));
        self.emit(event.with("reason", reason));
    }
}
