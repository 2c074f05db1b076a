//! Probes an origin after a failed request: the failure alone says nothing about the origin.

use super::authenticate;
use super::parts::{Balancer, Recorder};
use super::{Interrupt, RequestContext};
use crate::balancer::probe::{Probe, Verdict};
use crate::clock::UnixMillis;
use crate::cookie::presented::Presented;
use crate::effect::{Failed, Failure, Need};
use crate::http::network::Network;
use crate::response::problem::Problem;
use crate::telemetry::log::{ConfigName, Event, Level};

/// How often a request may be sent in all: at its own origin, there once more, and elsewhere.
const MAX_TRIES: usize = 3;

/// How often a connection to one origin must be lost before it is asked whether the origin is gone. Once
/// is common: a server may close a kept connection at the very moment it is used again, and moving the
/// conversation for that would lose what the server holds of it in memory.
const LOSSES_TO_ASK_ABOUT: usize = 2;

/// How much older than the last failure a probe may be that speaks of it.
const TOLERANCE_MS: u64 = 1_000;

/// How often a request looks whether a probe has ended, at most: 3.5 seconds, which is as long as one may
/// take, and as one may have to wait for its turn.
const MAX_ATTEMPTS: u32 = 20;

/// What pauses are filed under: while a probe decides where the request goes, and while one finds out
/// whether anybody is back.
const PROBE: &str = "probe";
const RECOVERY: &str = "knock";

impl Balancer {
    /// The probes to be sent since the last call.
    #[cfg(test)]
    pub(crate) fn take_probes(&mut self) -> Vec<Probe> {
        core::mem::take(&mut self.probes)
    }

    /// Takes note of what a probe found that was begun then.
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

    /// An origin answered with a gateway error or not in time, to that client as far as it is known.
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

    /// Has an origin probed, if it was not a moment ago. Whether that begins now.
    fn probe_if_due(&mut self, origin: &str, reason: &'static str, now: UnixMillis) -> bool {
        let Some(known) = self.tenant.pool.named(origin) else {
            return false;
        };
        let path = known.health_path.as_deref().unwrap_or("/");
        let url = [&known.base, path].concat();
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

    /// Nobody can be reached: one request a second waits for a probe that finds out whether that is still
    /// so, and all others are told at once.
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

    /// Decides whether a request that an origin did not answer may be sent once more, and waits for a
    /// probe if that depends on whether the origin lives: with an origin that does, the conversation
    /// stays, and the failure is the request's own.
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
        // The platform could not connect, and our probe gets no answer either.
        if is_gone && !self.health.is_lost(origin, now) && self.health.mark_unreachable(origin, now)
        {
            self.load.forget_sockets(origin);
            recorder.note_ejected(origin, reason);
        }
        let retry = may_repeat && (is_gone || !needs_probe(origin, failures));
        if attempts(context, RECOVERY) == 0 {
            // Either side may have cut an upload off: it is the origin's failure only if the origin is dead.
            let is_anybodys = *failure == Failure::Cut && !self.health.is_lost(origin, now);
            let name = if is_anybodys {
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

    /// Whether what happened to this one request shows that the origin is gone, because a probe that has
    /// nothing to do with it fared no better.
    pub(crate) fn is_gone(&self, origin: &str, failures: &[Failed]) -> bool {
        needs_probe(origin, failures)
            && match self.probe_result(origin, failures) {
                Some(Verdict::Dead) => true,
                // Nothing of the request can have made the platform unable to connect.
                Some(Verdict::Silent) => of(origin, failures).any(is_unsent),
                Some(Verdict::Alive | Verdict::Faulty) | None => false,
            }
    }

    /// What a probe found that is as young as what happened to this request.
    fn probe_result(&self, origin: &str, failures: &[Failed]) -> Option<Verdict> {
        let first = of(origin, failures).next()?;
        let last = of(origin, failures).last()?;
        let since = first.at.0.max(last.at.0.saturating_sub(TOLERANCE_MS));
        self.health.found_since(origin, UnixMillis(since))
    }

    /// Tells clients apart: by where they come from, or where nobody vouches for an address by their session,
    /// if it is older than the trouble with that origin. What else a client says of itself it may vary with each
    /// request, and begin a session with each: whose such a request is, is not known.
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

/// Whether what happened to this one request raises the question whether the origin is gone.
fn needs_probe(origin: &str, failures: &[Failed]) -> bool {
    of(origin, failures).any(is_unsent)
        || of(origin, failures)
            .filter(|failed| failed.failure == Failure::Lost)
            .count()
            >= LOSSES_TO_ASK_ABOUT
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

/// The more often somebody has looked, the longer it is until the next time.
fn pause(key: &str, attempts: u32) -> Interrupt {
    Interrupt::Pending(vec![Need::Pause {
        key: key.to_owned(),
        ms: 250.min(2 << attempts.min(7)),
    }])
}
