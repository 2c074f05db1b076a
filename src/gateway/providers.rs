//! Keeps what identity providers publish: their metadata and keys.
//!
//! Both are asked for when they are needed and remembered in this isolate: an hour without asking, and
//! up to a day while the provider does not answer. A key that nobody knows is asked for at most once a
//! minute, or forged tokens would make us flood the provider.

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

/// How long what is known is used without asking.
const FRESH_MS: u64 = 3_600_000;

/// How long it is used while it cannot be had again.
const USABLE_MS: u64 = 24 * 3_600_000;

/// How long one that did not answer is left alone.
const REST_MS: u64 = 10_000;

/// How long nobody asks again for a key that was not there.
const NOT_AGAIN_MS: u64 = 60_000;

/// What is known of providers, by issuer, and of their keys, by where they are.
#[derive(Default)]
pub(crate) struct Providers {
    metadata: FlatMap<String, (Metadata, UnixMillis)>,
    keys: FlatMap<String, Keys>,
    /// When one did not answer, by what it was asked for.
    failed: FlatMap<String, UnixMillis>,
}

/// An issuer's keys, as they were read.
struct Keys {
    set: KeySet,
    read: UnixMillis,
    /// When they were last read because one was missing.
    missed: Option<UnixMillis>,
}

/// What became of asking somebody else's server.
pub(crate) enum Heard<'a> {
    /// It answered.
    Reply(Reply<'a>, UnixMillis),
    /// It did not, or with more than is read.
    Nothing,
}

/// Says something to somebody else's server.
///
/// # Errors
/// It has to be said first.
pub(crate) fn ask<'a>(
    key: &str,
    answers: &'a Answers,
    call: impl FnOnce() -> Outbound,
) -> Result<Heard<'a>, Interrupt> {
    match answers.read(key) {
        None => Err(Interrupt::Pending(vec![Need::Fetch {
            key: key.to_owned(),
            call: call(),
        }])),
        Some(read) => Ok(match read.found {
            Found::Bytes(bytes) => {
                Reply::read(bytes).map_or(Heard::Nothing, |reply| Heard::Reply(reply, read.asked))
            }
            Found::Absent | Found::Unavailable => Heard::Nothing,
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
    /// What the provider publishes of itself.
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
        let heard = ask(&key, answers, || {
            get(&provider::discovery_url(issuer), provider::LARGEST)
        })?;
        let problem = match heard {
            Heard::Reply(Reply { status: 200, body }, asked) => {
                match Metadata::parse(body, issuer) {
                    Ok(metadata) => {
                        let known = (metadata.clone(), asked);
                        self.providers.metadata.insert(issuer.to_owned(), known);
                        return Ok(metadata);
                    }
                    Err(bad) => {
                        recorder.note_provider("idp_misconfigured", issuer, bad.0);
                        SignInProblem::ProviderMisconfigured
                    }
                }
            }
            Heard::Reply(Reply { status, .. }, _) if status < 500 => {
                recorder.note_provider("idp_misconfigured", issuer, "discovery gave no document");
                SignInProblem::ProviderMisconfigured
            }
            Heard::Reply(..) | Heard::Nothing => {
                recorder.note_provider("idp_unavailable", issuer, "discovery");
                self.providers.failed.insert(key, now);
                SignInProblem::ProviderUnavailable
            }
        };
        let known = self.known_metadata(issuer, now);
        known.ok_or_else(|| Problem::from(problem).into())
    }

    /// What is known of a provider, if that may still be used.
    pub(crate) fn known_metadata(&self, issuer: &str, now: UnixMillis) -> Option<Metadata> {
        let (metadata, read) = self.providers.metadata.get(issuer)?;
        (now.millis_since(*read) < USABLE_MS).then(|| metadata.clone())
    }

    /// Whether somebody who did not answer is left alone.
    fn rests(&self, key: &str, now: UnixMillis) -> bool {
        let failed = self.providers.failed.get(key);
        failed.is_some_and(|at| now.millis_since(*at) < REST_MS)
    }

    /// Where the provider signs people out, as far as that is known without asking.
    pub(crate) fn known_sign_out(&self, issuer: &str) -> Option<String> {
        let (metadata, _) = self.providers.metadata.get(issuer)?;
        metadata.end_session_endpoint.clone()
    }

    /// Whether a key of those at `jwks_uri` has signed a token.
    ///
    /// # Errors
    /// What has to be asked first, or that the keys cannot be had.
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
        let heard = ask(&key, answers, || get(jwks_uri, jwks::LARGEST))?;
        if let Heard::Reply(Reply { status: 200, body }, asked) = heard
            && let Some(keys) = KeySet::parse(body)
        {
            let found = fitting(&keys);
            for error in keys.refused() {
                let error = error.to_string();
                recorder.note_provider("idp_key_refused", jwks_uri, Faults(&error));
            }
            let keys = Keys {
                set: keys,
                read: asked,
                missed: is_missed.then_some(asked),
            };
            self.providers.keys.insert(jwks_uri.to_owned(), keys);
            return Ok(found);
        }
        recorder.note_provider("idp_unavailable", jwks_uri, "keys");
        self.providers.failed.insert(key, now);
        let known = self.known_keys(jwks_uri, now);
        known.map(fitting).ok_or_else(|| unavailable().into())
    }

    /// The keys at `jwks_uri` that may still be used, if any are known; for somebody else to verify with.
    pub(crate) fn keys_to_hand_on(&self, jwks_uri: &str, now: UnixMillis) -> Option<String> {
        self.known_keys(jwks_uri, now).map(KeySet::to_text)
    }

    fn known_keys(&self, jwks_uri: &str, now: UnixMillis) -> Option<&KeySet> {
        let keys = self.providers.keys.get(jwks_uri)?;
        (now.millis_since(keys.read) < USABLE_MS).then_some(&keys.set)
    }
}

impl Recorder {
    /// Tells the operator what is wrong with a provider: never what it said.
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
