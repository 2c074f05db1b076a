//! Probes an origin after a failed request, because the failure alone says nothing about the origin.

use super::authenticate;
use super::parts::{Balancer, Recorder};
use super::{Interrupt, RequestContext};
use crate::balancer::probe::{Probe, Verdict};
use crate::balancer::service;
use crate::clock::UnixMillis;
use crate::cookie::presented::Presented;
use crate::effect::{Failed, Failure, Need};
use crate::http::network::Network;
use crate::response::problem::Problem;
use crate::telemetry::log::{ConfigName, Event, Level};

/// Maximum attempts of one request: at its own origin, once more there, and elsewhere.
const MAX_TRIES: usize = 3;

/// Number of lost connections to one origin that requires a probe. One loss is common: a server may close a kept
/// connection at the very moment of its reuse. Moving the conversation for that would lose what the server holds in
/// memory.
const LOSSES_BEFORE_PROBE: usize = 2;

/// Maximum time by which a probe may be older than the last failure and still count for it, in milliseconds.
const TOLERANCE_MS: u64 = 1_000;

/// Maximum checks of one request for the end of a probe: 3.5 seconds. A probe may take that long, and may wait that
/// long for its turn.
const MAX_ATTEMPTS: u32 = 20;

/// Keys of pauses: while a probe decides where the request goes, and while one finds out whether an origin is back.
const PROBE: &str = "probe";
const RECOVERY: &str = "knock";

impl Balancer {
    /// Takes the probes to send since the last call.
    #[cfg(test)]
    pub(crate) fn take_probes(&mut self) -> Vec<Probe> {
        core::mem::take(&mut self.probes)
    }

    /// Records the result of a probe that began at `begun`.
    pub(crate) fn probed(
        &mut self,
        recorder: &mut Recorder,
        origin: &str,
        begun: UnixMillis,
        verdict: Verdict,
        now: UnixMillis,
    ) {
        if let Some(reason) = self.health.probed(origin, begun, verdict, now) {
            recorder.note_ejected(origin, reason);
        }
    }

    /// Records a gateway error or timeout of an origin, and the client that got it, if known.
    pub(crate) fn record_failure(
        &mut self,
        recorder: &mut Recorder,
        origin: &str,
        reason: &'static str,
        client: Option<u64>,
        now: UnixMillis,
    ) {
        self.probe_if_due(origin, reason, now);
        if self.health.record_failure(origin, client, now) {
            recorder.note_ejected(origin, reason);
        }
    }

    /// Probes an origin, unless it was probed a moment ago. Returns whether a probe begins now.
    fn probe_if_due(&mut self, origin: &str, reason: &'static str, now: UnixMillis) -> bool {
        let Some(known) = self.pools.named(origin) else {
            return false;
        };
        let path = known.health_path.as_deref().unwrap_or("/");
        let url = service::own_url(&known.base, path);
        let begins = self.health.suspect(origin, reason, now);
        if begins {
            self.probes.push(Probe {
                origin: origin.to_owned(),
                url,
                begun: now,
            });
        }
        begins
    }

    /// Handles a request when its origin is unreachable and no other is left. One request a second waits for a probe;
    /// all others fail at once.
    #[inline(never)]
    pub(crate) fn await_recovery(
        &mut self,
        origin: &str,
        context: &RequestContext<'_>,
    ) -> Result<(), Interrupt> {
        let attempts = attempts(context, RECOVERY);
        let begins = self.probe_if_due(origin, "lost", context.now);
        let is_awaited =
            (1..MAX_ATTEMPTS).contains(&attempts) && self.health.is_probed(origin, context.now);
        Err(if begins || is_awaited {
            pause(RECOVERY, attempts)
        } else {
            Problem::OriginUnreachable.into()
        })
    }

    /// Decides whether a request that an origin did not answer may be sent again. Waits for a probe if that depends on
    /// the origin's health. With a live origin the conversation stays, and the failure is the request's own.
    #[inline(never)]
    pub(crate) fn consider_failures(
        &mut self,
        recorder: &mut Recorder,
        context: &RequestContext<'_>,
    ) -> Result<(), Interrupt> {
        let failures = context.answers.failures();
        let Some(Failed {
            origin, failure, ..
        }) = failures.last()
        else {
            return Ok(());
        };
        let now = context.now;
        let (reason, repeatable) = match failure {
            Failure::Lost => ("lost", context.request.is_safe()),
            Failure::Cut => ("cut", false),
            Failure::Unsent => ("unsent", true),
            Failure::TimedOut => ("timed_out", false),
            Failure::Spoilt => return Err(Problem::BrokenBody.into()),
        };
        let may_repeat = repeatable && failures.len() < MAX_TRIES;
        if *failure == Failure::TimedOut {
            let client = self.client(origin, context);
            self.record_failure(recorder, origin, reason, client, now);
        } else if self.probe_result(origin, failures).is_none() {
            self.probe_if_due(origin, reason, now);
            let attempts = attempts(context, PROBE);
            let matters = (may_repeat && needs_probe(origin, failures)) || *failure == Failure::Cut;
            if matters && attempts < MAX_ATTEMPTS {
                return Err(pause(PROBE, attempts));
            }
        }
        let is_gone = self.is_gone(origin, failures);
        // The request failed to connect or lost its connections, and the probe failed, too.
        if is_gone && !self.health.is_lost(origin, now) && self.health.mark_unreachable(origin, now)
        {
            self.load.forget_sockets(origin);
            recorder.note_ejected(origin, reason);
        }
        let retry = may_repeat && (is_gone || !needs_probe(origin, failures));
        if attempts(context, RECOVERY) == 0 {
            // Either side may have cut off an upload. It is the origin's failure only if the origin is dead.
            let is_ambiguous = *failure == Failure::Cut && !self.health.is_lost(origin, now);
            let name = if is_ambiguous {
                "upload_cut"
            } else {
                "origin_failed"
            };
            let event = Event::new(Level::Warn, name).with("origin", ConfigName(origin));
            recorder.emit(event.with("reason", reason).with("retried", retry));
        }
        match failure {
            _ if retry => Ok(()),
            Failure::TimedOut => Err(Problem::OriginTimeout.into()),
            _ => Err(Problem::OriginUnreachable.into()),
        }
    }

    /// Returns whether the failures of this request show that the origin is gone, because an independent probe failed,
    /// too.
    pub(crate) fn is_gone(&self, origin: &str, failures: &[Failed]) -> bool {
        needs_probe(origin, failures)
            && match self.probe_result(origin, failures) {
                Some(Verdict::Dead) => true,
                // Nothing in a request can keep the platform from connecting.
                Some(Verdict::Silent) => of(origin, failures).any(is_unsent),
                Some(Verdict::Alive | Verdict::Faulty) | None => false,
            }
    }

    /// Returns the result of a probe that is recent enough for these failures.
    fn probe_result(&self, origin: &str, failures: &[Failed]) -> Option<Verdict> {
        let first = of(origin, failures).next()?;
        let last = of(origin, failures).last()?;
        let since = first.at.0.max(last.at.0.saturating_sub(TOLERANCE_MS));
        self.health.found_since(origin, UnixMillis(since))
    }

    /// Identifies a client by its network or, without a trusted address, by a session older than the origin's failures.
    /// A client can vary all other properties and begin a session with each request, so they identify no client.
    fn client(&self, origin: &str, context: &RequestContext<'_>) -> Option<u64> {
        match context.request.client_network() {
            Network::V4(bits) => Some(bits.into()),
            Network::Subnet(bits) | Network::Site(bits) => Some(bits),
            Network::Unknown => {
                let Presented::Genuine { verified, .. } =
                    authenticate::credential(&self.tenant, context)
                else {
                    return None;
                };
                let token = verified.token;
                let since = self.health.faulty_since(origin).unwrap_or(context.now);
                let bits = token.handle.0.first_chunk().copied()?;
                (token.created < since.seconds()).then_some(u64::from_le_bytes(bits))
            }
        }
    }
}

impl Recorder {
    fn note_ejected(&mut self, origin: &str, reason: &'static str) {
        let event = Event::new(Level::Warn, "origin_ejected").with("origin", ConfigName(origin));
        self.emit(event.with("reason", reason));
    }
}

/// Returns whether the failures of this request require a probe of the origin.
fn needs_probe(origin: &str, failures: &[Failed]) -> bool {
    of(origin, failures).any(is_unsent)
        || of(origin, failures)
            .filter(|failed| failed.failure == Failure::Lost)
            .count()
            >= LOSSES_BEFORE_PROBE
}

fn is_unsent(failed: &Failed) -> bool {
    failed.failure == Failure::Unsent
}

fn of<'a>(origin: &str, failures: &'a [Failed]) -> impl Iterator<Item = &'a Failed> {
    failures
        .iter()
        .filter(move |failed| failed.origin == origin)
}

fn attempts(context: &RequestContext<'_>, key: &str) -> u32 {
    context.answers.read(key).map_or(0, |read| read.attempts)
}

/// Returns a pause, which gets longer with each check.
fn pause(key: &str, attempts: u32) -> Interrupt {
    Interrupt::Pending(vec![Need::Pause {
        key: key.to_owned(),
        ms: 250.min(2 << attempts.min(7)),
    }])
}
