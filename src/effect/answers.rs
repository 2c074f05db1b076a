//! Collects the answers to a request's needs.

use crate::clock::UnixMillis;

use super::asset::Asset;

/// What a read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The outside answered that there is nothing.
    Absent,
    /// The outside did not answer, or with an error.
    Unavailable,
}

/// What a request's body turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// More than was to be taken.
    TooLarge,
    /// It broke off, or is no valid HTTP.
    Broken,
}

/// One answered read.
#[derive(Clone, Debug)]
struct Answer {
    key: String,
    found: Found,
    attempts: u32,
    asked: UnixMillis,
}

/// What is known of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read<'a> {
    /// The last answer.
    pub found: &'a Found,
    /// How often it was asked for.
    pub attempts: u32,
    /// When it was asked for last: what was found may be that old.
    pub asked: UnixMillis,
}

/// Why an origin did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection failed or broke; the request may or may not have been processed.
    Lost,
    /// The connection broke while a body was on its way. Either side may have done it: a client
    /// that gives up its upload looks just like an origin that dies.
    Cut,
    /// The client's body, sent in chunks, broke off or is no valid HTTP: nothing that an origin has
    /// to do with.
    Spoilt,
    /// The request certainly was not sent: the platform says it could not connect.
    Unsent,
    /// No response headers within the limit.
    TimedOut,
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    /// The origin's name.
    pub origin: String,
    /// How.
    pub failure: Failure,
    /// When.
    pub at: UnixMillis,
}

/// What the ids of a trace are made of, if it begins here: drawn once per request.
pub(crate) type Seed = [u8; 24];

/// Everything the outside has answered to this request so far.
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
    /// Takes note of what the trace was begun with when the step was asked first.
    pub(crate) fn begin(&mut self, seed: Seed) {
        self.seed = Some(seed);
    }

    /// Whether nothing was asked for yet.
    #[must_use]
    pub(crate) fn has_no_reads(&self) -> bool {
        self.reads.is_empty()
    }

    /// What the trace was begun with; none when the step is asked for the first time.
    #[must_use]
    pub(crate) fn begun(&self) -> Option<Seed> {
        self.seed
    }

    /// Takes note of the answer to what was asked at `asked`; a later one for the same key replaces
    /// the earlier. An answer is as old as its question: it waits for others, and is looked at more
    /// than once.
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

    /// Takes note whether the durable writes asked for were all acknowledged.
    pub(crate) fn set_written(&mut self, acknowledged: bool) {
        self.write = Some(acknowledged);
    }

    /// Takes note of the request's body.
    pub(crate) fn set_body(&mut self, body: Body) {
        self.body = Some(body);
    }

    /// Takes note of what came of asking for a file.
    pub(crate) fn set_asset(&mut self, source: &str, asset: Asset) {
        self.asset = Some((source.to_owned(), asset));
    }

    /// Takes note that this origin, by name, did not answer.
    pub(crate) fn add_failure(&mut self, origin: &str, failure: Failure, at: UnixMillis) {
        self.failures.push(Failed {
            origin: origin.to_owned(),
            failure,
            at,
        });
    }

    /// The origins that did not answer this request, in the order they were tried.
    #[must_use]
    pub(crate) fn failures(&self) -> &[Failed] {
        &self.failures
    }

    /// What is known of `key`.
    #[must_use]
    pub(crate) fn read(&self, key: &str) -> Option<Read<'_>> {
        let answer = self.reads.iter().find(|answer| answer.key == key)?;
        Some(Read {
            found: &answer.found,
            attempts: answer.attempts,
            asked: answer.asked,
        })
    }

    /// What was answered under `key`.
    #[must_use]
    pub(crate) fn found(&self, key: &str) -> Option<&Found> {
        self.read(key).map(|read| read.found)
    }

    /// Whether the durable writes were acknowledged; `None` while they were not tried.
    #[must_use]
    pub(crate) fn written(&self) -> Option<bool> {
        self.write
    }

    /// What came of asking for this file; `None` while it was not asked for.
    #[must_use]
    pub(crate) fn asset(&self, source: &str) -> Option<&Asset> {
        let (asked, asset) = self.asset.as_ref()?;
        (asked == source).then_some(asset)
    }

    /// The request's body; `None` while it was not read.
    #[must_use]
    pub(crate) fn body(&self) -> Option<&Body> {
        self.body.as_ref()
    }
}
