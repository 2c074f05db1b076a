//! Whose request it is: from the cookie, the cache, and storage only if need be.

use std::rc::Rc;

use super::{Gateway, Halt, Passage};
use crate::answer::problem::Problem;
use crate::clock::{Seconds, UnixMillis, UnixSeconds};
use crate::cookie::forgery_limit::Verdict;
use crate::cookie::jar::{self, Presented};
use crate::cookie::token::{Token, Verified};
use crate::session::codec::{self, Unreadable};
use crate::session::id::{Handle, RecordName, SessionId};
use crate::session::record::{Entry, Record, Version};
use crate::store::cache::{Known, Prepared};
use crate::store::{Answers, Found, Read, Write};
use crate::telemetry::log::{Event, Level};

/// How long requests that were on their way when the id rotated may still use the old one.
const ROTATION_GRACE: Seconds = Seconds(30);

/// How often, and after how many milliseconds each, storage that is behind is asked again.
const STALE_RETRY_MS: [u32; 3] = [50, 150, 400];

/// How long after its cookie was set a record may be missing because storage is behind.
const PROPAGATION: Seconds = Seconds(60);

/// How long an unreadable record is set aside.
const QUARANTINE_TTL: Seconds = Seconds(7 * 86_400);

/// Who is calling.
pub(super) enum Caller {
    /// Nobody we know: no cookie, a forged one, or a guest's that ran out.
    Stranger {
        /// There was a cookie, and it is worthless.
        forged: bool,
    },
    /// A session.
    Visitor(Visitor),
    /// A session that is over, and why.
    Over(Problem),
}

/// A session in use.
pub(super) struct Visitor {
    /// Its record.
    pub(super) session: Rc<Prepared>,
    /// What its cookie says, or must say now.
    pub(super) token: Token,
    /// The cookie's value: as presented, or minted anew.
    pub(super) cookie: String,
    /// The cookie must be set.
    pub(super) set_cookie: bool,
    /// It began with this request.
    pub(super) is_new: bool,
    /// Storage is behind what this browser has seen.
    pub(super) degraded: bool,
}

/// What was found under an id.
pub(super) enum Standing {
    /// A live record.
    Live {
        /// The id it lives under.
        id: SessionId,
        /// The record.
        session: Rc<Prepared>,
        /// It is older than it should be.
        stale: bool,
    },
    /// Storage has nothing, but the cookie is so young that it may just not have it yet.
    Unseen,
    /// The session is over.
    Over(Problem),
}

/// A record that is looked for.
struct Sought {
    id: SessionId,
    /// The version it must have at least.
    least: Version,
    /// When that version came about, as far as is known.
    since: UnixSeconds,
    /// How old this isolate's knowledge may be, in milliseconds.
    max_age: u64,
}

impl Gateway {
    pub(super) fn recognise(&mut self, passage: &Passage<'_>) -> Result<Caller, Halt> {
        let header = passage.request.header("cookie").unwrap_or_default();
        let value = match jar::find(header, passage.cookie.as_str()) {
            Presented::Absent => return Ok(Caller::Stranger { forged: false }),
            Presented::One(value) => value,
            Presented::Several => {
                return Err(Halt::Refuse {
                    problem: Problem::CookieAmbiguous,
                    clear_cookie: true,
                });
            }
            Presented::AfterComma => return Err(Problem::CookieMalformed.into()),
        };
        let now = passage.now;
        let Ok(verified) = Token::verify(value, &self.deployment.tenant.keys, now.seconds()) else {
            return self.forged(passage);
        };
        if verified.token.least_version == Version::UNSTORED
            && self.cache.get(&verified.token.id, u64::MAX, now).is_none()
        {
            return Ok(self.recognise_guest(verified, value, now));
        }
        self.recognise_recorded(verified, value, passage)
    }

    fn forged(&mut self, passage: &Passage<'_>) -> Result<Caller, Halt> {
        let address = passage.request.client_address().unwrap_or_default();
        let verdict = self.forgeries.count(address, passage.now);
        match verdict {
            Verdict::First => self.note(Event::new(Level::Warn, "cookie_forged")),
            Verdict::Passed(_) => self.note(Event::new(Level::Warn, "forgery_limit_passed")),
            Verdict::Counted | Verdict::Over(_) => {}
        }
        match verdict {
            Verdict::First | Verdict::Counted => Ok(Caller::Stranger { forged: true }),
            Verdict::Passed(wait) | Verdict::Over(wait) => {
                Err(Problem::TooManyForgeries(wait).into())
            }
        }
    }

    /// A guest that has nothing stored: the cookie is all there is, and storage is not asked.
    fn recognise_guest(&mut self, verified: Verified, value: &str, now: UnixMillis) -> Caller {
        let token = verified.token;
        let lifetime = self.deployment.tenant.lifetime;
        let record = self.unstored(&token);
        let span = record.span();
        if lifetime.has_ended(&span, now.seconds()) {
            return Caller::Stranger { forged: false };
        }
        let renew =
            verified.retired_key || lifetime.touch_is_due(&span, record.spread(), now.seconds());
        let session = Rc::new(Prepared::new(record));
        Caller::Visitor(if renew {
            self.visitor(
                session,
                Token {
                    issued: now.seconds(),
                    ..token
                },
                None,
            )
        } else {
            self.visitor(session, token, Some(value))
        })
    }

    fn recognise_recorded(
        &mut self,
        verified: Verified,
        value: &str,
        passage: &Passage<'_>,
    ) -> Result<Caller, Halt> {
        let token = verified.token;
        let now = passage.now.seconds();
        // A cookie from before anything was stored: what this isolate has stored meanwhile counts,
        // however long ago; storage is not asked, because the cookie does not say it has anything.
        let unstored = token.least_version == Version::UNSTORED;
        let max_age = if unstored {
            u64::MAX
        } else {
            self.deployment.tenant.cache.0.saturating_mul(1000)
        };
        let (id, session, stale) =
            match self.look_up(&token, max_age, passage.answers, passage.now)? {
                Standing::Live { id, session, stale } => (id, session, stale),
                Standing::Unseen => return Ok(self.recognise_unseen(token, value)),
                Standing::Over(problem) => return Ok(Caller::Over(problem)),
            };
        if self
            .deployment
            .tenant
            .lifetime
            .has_ended(&session.record.span(), now)
        {
            return Ok(Caller::Over(Problem::SessionExpired));
        }
        let renew = id != token.id || unstored || verified.retired_key;
        let mut visitor = if renew {
            let least_version = session.record.version.max(token.least_version);
            self.visitor(
                session,
                Token {
                    id,
                    issued: now,
                    least_version,
                    ..token
                },
                None,
            )
        } else {
            self.visitor(session, token, Some(value))
        };
        visitor.degraded = stale;
        Ok(Caller::Visitor(visitor))
    }

    /// A session whose record has not reached this place yet. It is served from the cookie alone and
    /// marked; nothing is written for it, so that nothing is overwritten, and it is not ended,
    /// because an ended one has a tombstone.
    fn recognise_unseen(&self, token: Token, value: &str) -> Caller {
        let session = Rc::new(Prepared::new(self.unstored(&token)));
        Caller::Visitor(Visitor {
            degraded: true,
            ..self.visitor(session, token, Some(value))
        })
    }

    /// Finds the live record of `token`'s id, following one rotation. What this isolate knows is
    /// used up to an age of `max_age` milliseconds.
    pub(super) fn look_up(
        &mut self,
        token: &Token,
        max_age: u64,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<Standing, Halt> {
        let sought = Sought {
            id: token.id,
            least: token.least_version,
            since: token.issued,
            max_age,
        };
        let (successor, at) = match self.know(&sought, answers, now)? {
            Ok((Known::Live(session), stale)) => {
                return Ok(Standing::Live {
                    id: token.id,
                    session,
                    stale,
                });
            }
            Ok((Known::Gone(Entry::Moved { successor, at }), _)) => (successor, at),
            Ok((Known::Gone(_), _)) => {
                self.note(Event::new(Level::Warn, "ended_session_presented"));
                return Ok(Standing::Over(Problem::SessionEnded));
            }
            Err(Problem::SessionUnknown) if now.seconds().since(token.issued) <= PROPAGATION => {
                return Ok(Standing::Unseen);
            }
            Err(problem) => return Ok(Standing::Over(problem)),
        };
        if now.seconds().since(at) > ROTATION_GRACE {
            self.note(Event::new(Level::Warn, "rotated_session_presented"));
            return Ok(Standing::Over(Problem::SessionRotated));
        }
        let sought = Sought {
            id: successor,
            least: Version(1),
            since: at,
            max_age,
        };
        Ok(match self.know(&sought, answers, now)? {
            Ok((Known::Live(session), stale)) => Standing::Live {
                id: successor,
                session,
                stale,
            },
            // One hop only: whoever is two rotations behind has missed its chance.
            Ok((Known::Gone(Entry::Moved { .. }), _)) => Standing::Over(Problem::SessionRotated),
            Ok((Known::Gone(_), _)) => Standing::Over(Problem::SessionEnded),
            Err(problem) => Standing::Over(problem),
        })
    }

    /// What is stored under an id, and whether it is older than it should be. The inner error is a
    /// session that is over; the outer one a read still to be done, or storage not answering.
    fn know(
        &mut self,
        sought: &Sought,
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<Result<(Known, bool), Problem>, Halt> {
        match self.cache.get(&sought.id, sought.max_age, now) {
            Some(Known::Live(session)) if session.record.version < sought.least => {}
            Some(known) => return Ok(Ok((known, false))),
            None => {}
        }
        let name = RecordName::derive(&self.deployment.tenant.id, &sought.id);
        let read = |after_ms| {
            Halt::Read(Read {
                key: name.as_str().to_owned(),
                after_ms,
            })
        };
        let Some((found, attempts)) = answers.read(name.as_str()) else {
            return Err(read(0));
        };
        let again = usize::try_from(attempts - 1)
            .ok()
            .and_then(|at| STALE_RETRY_MS.get(at));
        let bytes = match found {
            Found::Unavailable => return Err(Problem::StoreUnavailable.into()),
            Found::Absent => {
                // What this isolate wrote a moment ago may still be on its way to storage.
                match self.cache.get(&sought.id, PROPAGATION.0 * 1000, now) {
                    Some(Known::Live(session)) if session.record.version < sought.least => {}
                    Some(known) => return Ok(Ok((known, false))),
                    None => {}
                }
                let may_be_behind = now.seconds().since(sought.since) <= PROPAGATION;
                return match again {
                    Some(after_ms) if may_be_behind => Err(read(*after_ms)),
                    _ => Ok(Err(Problem::SessionUnknown)),
                };
            }
            Found::Bytes(bytes) => bytes,
        };
        let entry = match codec::open(bytes, &name, &self.deployment.tenant.keys) {
            Ok(entry) => entry,
            Err(Unreadable::NewerFormat) => return Err(Problem::SchemaNewer.into()),
            Err(unreadable) => {
                self.set_aside(&name, bytes, unreadable);
                return Ok(Err(Problem::SessionCorrupt));
            }
        };
        let known = self.cache.learn(sought.id, Known::new(entry), now);
        let stale = matches!(&known, Known::Live(session) if session.record.version < sought.least);
        match again {
            Some(after_ms) if stale => Err(read(*after_ms)),
            _ => Ok(Ok((known, stale))),
        }
    }

    /// Keeps a copy of an unreadable record for the operator; the original stays as it is.
    fn set_aside(&mut self, name: &RecordName, bytes: &[u8], why: Unreadable) {
        let reason = match why {
            Unreadable::Malformed => "malformed",
            Unreadable::NewerFormat => "newer_format",
            Unreadable::UnknownKey => "unknown_key",
            Unreadable::SealBroken => "seal_broken",
        };
        self.note(Event::new(Level::Error, "record_unreadable").with("reason", reason));
        self.writes.push(Write {
            key: name.quarantine(),
            value: bytes.to_vec(),
            ttl: QUARANTINE_TTL,
        });
    }

    /// The record of a session that has nothing stored.
    pub(super) fn unstored(&self, token: &Token) -> Record {
        let handle = Handle::derive(&self.deployment.tenant.id, &token.id);
        Record::unstored(handle, token.created, token.issued)
    }

    /// A visitor with the cookie as `presented`, or minted anew.
    pub(super) fn visitor(
        &self,
        session: Rc<Prepared>,
        token: Token,
        presented: Option<&str>,
    ) -> Visitor {
        Visitor {
            session,
            token,
            cookie: presented
                .map_or_else(|| token.mint(&self.deployment.tenant.keys), str::to_owned),
            set_cookie: presented.is_none(),
            is_new: false,
            degraded: false,
        }
    }
}
