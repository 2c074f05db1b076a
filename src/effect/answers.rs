//! Collects the answers to a request's needs.

use crate::clock::UnixMillis;

use super::asset::Asset;

/// Result of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Storage returned these bytes.
    Bytes(Vec<u8>),
    /// Storage answered that nothing exists.
    Absent,
    /// Storage did not answer, or answered with an error.
    Unavailable,
}

/// Result of reading a request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// The whole body.
    Bytes(Vec<u8>),
    /// The body exceeds the limit.
    TooLarge,
    /// The body broke off, or is invalid HTTP.
    Broken,
}

/// Answer to a read, under its key.
#[derive(Clone, Debug)]
struct Answer {
    key: String,
    found: Found,
    attempts: u32,
    asked: UnixMillis,
}

/// Last answer for a key, with the history of its reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read<'a> {
    /// Last answer.
    pub found: &'a Found,
    /// Number of reads so far.
    pub attempts: u32,
    /// Time at which the last read began: the answer may be as old.
    pub asked: UnixMillis,
}

/// Way in which an origin failed to respond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection failed or broke; the origin may have processed the request.
    Lost,
    /// The connection broke during the body. The client may have stopped its upload or the origin may have died: both
    /// look the same.
    Cut,
    /// The client's chunked body broke off or is invalid HTTP. The origin is not at fault.
    Spoilt,
    /// The platform could not connect, so the request was not sent.
    Unsent,
    /// The origin sent no response headers within the limit.
    TimedOut,
}

/// Failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    /// Name of the origin.
    pub origin: String,
    /// Way in which it failed.
    pub failure: Failure,
    /// Time of the failure.
    pub at: UnixMillis,
}

/// Random bytes for the ids of a trace that begins here; drawn once per request.
pub(crate) type Seed = [u8; 24];

/// All answers to this request so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    reads: Vec<Answer>,
    write: Option<bool>,
    body: Option<Body>,
    asset: Option<(String, Asset)>,
    failures: Vec<Failed>,
    seed: Option<Seed>,
}

impl Answers {
    /// Stores the trace seed from the first call of the step.
    pub(crate) fn set_seed(&mut self, seed: Seed) {
        self.seed = Some(seed);
    }

    /// Returns whether no read was answered yet.
    #[must_use]
    pub(crate) fn has_no_reads(&self) -> bool {
        self.reads.is_empty()
    }

    /// Returns the trace seed; `None` in the first call of the step.
    #[must_use]
    pub(crate) fn seed(&self) -> Option<Seed> {
        self.seed
    }

    /// Stores the answer to a read that began at `asked`, in place of an earlier one for the same key. An answer is as
    /// old as its read, because it waits for others and serves several calls.
    pub(crate) fn add(&mut self, key: &str, found: Found, asked: UnixMillis) {
        match self.reads.iter_mut().find(|answer| answer.key == key) {
            Some(answer) => {
                answer.found = found;
                answer.attempts += 1;
                answer.asked = asked;
            }
            None => self.reads.push(Answer {
                key: key.to_owned(),
                found,
                attempts: 1,
                asked,
            }),
        }
    }

    /// Stores whether storage acknowledged all durable writes.
    pub(crate) fn set_written(&mut self, acknowledged: bool) {
        self.write = Some(acknowledged);
    }

    /// Stores the request's body.
    pub(crate) fn set_body(&mut self, body: Body) {
        self.body = Some(body);
    }

    /// Stores the result for a tenant's file.
    pub(crate) fn set_asset(&mut self, source: &str, asset: Asset) {
        self.asset = Some((source.to_owned(), asset));
    }

    /// Stores that this origin, by name, failed.
    pub(crate) fn add_failure(&mut self, origin: &str, failure: Failure, at: UnixMillis) {
        self.failures.push(Failed {
            origin: origin.to_owned(),
            failure,
            at,
        });
    }

    /// Returns the failed attempts of this request, in order.
    #[must_use]
    pub(crate) fn failures(&self) -> &[Failed] {
        &self.failures
    }

    /// Returns the last answer for `key`, with its history.
    #[must_use]
    pub(crate) fn read(&self, key: &str) -> Option<Read<'_>> {
        let answer = self.reads.iter().find(|answer| answer.key == key)?;
        Some(Read {
            found: &answer.found,
            attempts: answer.attempts,
            asked: answer.asked,
        })
    }

    /// Returns the last answer for `key`.
    #[must_use]
    pub(crate) fn found(&self, key: &str) -> Option<&Found> {
        self.read(key).map(|read| read.found)
    }

    /// Returns what follows `prefix` in the first key that begins with it.
    #[must_use]
    pub(crate) fn key_after(&self, prefix: &str) -> Option<&str> {
        let keys = self.reads.iter().map(|answer| answer.key.as_str());
        keys.filter_map(|key| key.strip_prefix(prefix)).next()
    }

    /// Returns whether storage acknowledged the durable writes; `None` before they were tried.
    #[must_use]
    pub(crate) fn written(&self) -> Option<bool> {
        self.write
    }

    /// Returns the result for this file; `None` before it was requested.
    #[must_use]
    pub(crate) fn asset(&self, source: &str) -> Option<&Asset> {
        let (asked, asset) = self.asset.as_ref()?;
        (asked == source).then_some(asset)
    }

    /// Returns the request's body; `None` before it was read.
    #[must_use]
    pub(crate) fn body(&self) -> Option<&Body> {
        self.body.as_ref()
    }
}
