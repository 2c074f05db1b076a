//! Simulates isolates' calls to storage and objects, with the shipped rules: single flight, breaker, retries.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::store::breaker::Permit;
use crate::store::retry::{Cause, Next, Retry};
use crate::store::single_flight::{FlightId, PATIENCE_MS, Role};

/// Drivers that wait for one call.
#[derive(Clone)]
pub(super) struct Followers {
    leader: u64,
    waiting: Rc<RefCell<Vec<u64>>>,
}

/// Outcome of an attempt.
pub(super) type Heard = Result<Found, Cause>;

/// Time after which a read without an answer fails, in milliseconds.
const READ_DEADLINE_MS: u64 = 500;

/// Need that a driver performs in an isolate.
pub(super) struct Ask {
    pub(super) task: u64,
    pub(super) place: usize,
    /// Driver of a value that is merged with the answer; otherwise the task gets it.
    writer: Option<u64>,
    need: Need,
    began: u64,
    followed: Option<FlightId>,
    lead: Option<Lead>,
}

/// State of the driver that makes the call for all.
struct Lead {
    flight: FlightId,
    followers: Followers,
    asked: u64,
    permit: Option<Permit>,
    retry: Retry,
    attempts: u32,
}

impl Ask {
    fn question(&self) -> String {
        match &self.need {
            Need::List { prefix } => format!("list {prefix}"),
            Need::Call {
                class,
                name,
                command,
                ..
            } => format!("{class:?}/{name}/{command}"),
            Need::Read { key, .. } => key.clone(),
            other => panic!("cannot be shared: {other:?}"),
        }
    }

    fn key(&self) -> &str {
        match &self.need {
            Need::Read { key, .. } | Need::List { prefix: key } | Need::Call { key, .. } => key,
            other => panic!("cannot be shared: {other:?}"),
        }
    }

    fn is_read(&self) -> bool {
        matches!(self.need, Need::Read { .. })
    }
}

impl World {
    /// Begins to perform a need of a task, or of a driver of its values.
    pub(super) fn ask(&mut self, task: u64, place: usize, need: Need, writer: Option<u64>) {
        let after_ms = match &need {
            Need::Read { after_ms, .. } => u64::from(*after_ms),
            _ => 0,
        };
        let began = self.now + after_ms;
        let driver = self.new_driver();
        let ask = Ask {
            task,
            place,
            writer,
            need,
            began,
            followed: None,
            lead: None,
        };
        self.asks.insert(driver, ask);
        self.schedule_at(began, Event::Ask { driver });
    }

    /// Makes the call, or follows another's until [`PATIENCE_MS`] has passed.
    pub(super) fn join(&mut self, driver: u64) {
        let Some(ask) = self.asks.get(&driver) else {
            return;
        };
        let (place, question, followed) = (ask.place, ask.question(), ask.followed);
        let now = UnixMillis(self.now);
        let Isolate {
            flights, breaker, ..
        } = &mut self.isolates[place];
        let share = |_| Followers {
            leader: driver,
            waiting: Rc::default(),
        };
        let role = flights.join(&question, followed, now, share);
        let (flight, followers) = match role {
            Role::Follow { flight, shared, .. } => {
                shared.waiting.borrow_mut().push(driver);
                let leader = shared.leader;
                self.observe(What::Follows { leader, question });
                self.asks.get_mut(&driver).unwrap().followed = Some(flight);
                return self.schedule_at(self.now + PATIENCE_MS, Event::Ask { driver });
            }
            Role::Lead { flight, shared } => (flight, shared),
        };
        let ask = self.asks.get_mut(&driver).unwrap();
        let deadline_ms = match &ask.need {
            Need::Call { deadline_ms, .. } => *deadline_ms,
            _ => u32::MAX,
        };
        let permit = ask.is_read().then(|| breaker.admit(now));
        let is_refused = permit == Some(None);
        ask.lead = Some(Lead {
            flight,
            followers,
            asked: self.now,
            permit: permit.flatten(),
            retry: Retry::begin(deadline_ms, now),
            attempts: 0,
        });
        if is_refused {
            return self.finish_ask(driver, &Found::Unavailable);
        }
        if deadline_ms < u32::MAX {
            let at = self.now + u64::from(deadline_ms);
            self.schedule_at(at, Event::Deadline { driver });
        }
        self.begin_attempt(driver);
    }

    fn begin_attempt(&mut self, driver: u64) {
        let ask = self.asks.get_mut(&driver).unwrap();
        let lead = ask.lead.as_mut().unwrap();
        lead.attempts += 1;
        let asked = What::Asked {
            isolate: self.isolates[ask.place].number,
            driver,
            attempt: lead.attempts,
            question: ask.question(),
            is_read: ask.is_read(),
        };
        self.observe(asked);
        self.schedule(60, Event::Attempt { driver });
    }

    /// Lets an attempt take effect.
    pub(super) fn attempt(&mut self, driver: u64) {
        let Some(ask) = self.asks.get(&driver) else {
            return;
        };
        let place = ask.place;
        let location = self.isolates[place].location;
        let need = ask.need.clone();
        let is_call = matches!(need, Need::Call { .. });
        let heard = match need {
            Need::Read { key, .. } => {
                let fails = self.storage_fails(place);
                Ok(match fails {
                    true => Found::Unavailable,
                    false => self.namespace.get(location, &key, self.now),
                })
            }
            Need::List { prefix } => {
                let fails = self.storage_fails(place);
                let names = self.namespace.list(location, &prefix, self.now);
                Ok(match fails {
                    true => Found::Unavailable,
                    false => Found::Bytes(names.join("\n").into_bytes()),
                })
            }
            Need::Call {
                class,
                name,
                command,
                ..
            } => {
                let is_lost = self.chance(self.rates.calls);
                let is_applied = !is_lost || self.chance(500);
                let caller = Caller::Driver { driver, is_lost };
                match class {
                    Class::Session if is_applied => return self.call(caller, &name, &command),
                    Class::Directory if is_applied => {
                        let bytes = self.direct(&command);
                        let answer = Found::Bytes(bytes);
                        if is_lost {
                            Err(Cause::Other)
                        } else {
                            Ok(answer)
                        }
                    }
                    _ => return self.unanswered(&caller),
                }
            }
            other => panic!("cannot be shared: {other:?}"),
        };
        let takes = match heard {
            // The timer of a busy isolate fires late.
            Ok(Found::Unavailable) if self.chance(400) => READ_DEADLINE_MS + self.below(2_000),
            Ok(Found::Unavailable) if self.chance(500) => READ_DEADLINE_MS,
            // Some calls are slow.
            _ if is_call && self.chance(self.rates.calls) => 300 + self.below(1_200),
            _ => self.below(60),
        };
        self.schedule_at(self.now + takes, Event::Heard { driver, heard });
    }

    /// Returns whether storage fails now. A failure may last for a while.
    fn storage_fails(&mut self, place: usize) -> bool {
        let fails = self.chance(self.rates.reads);
        if fails && self.chance(300) {
            self.outage_until = self.now + self.below(8_000);
            self.load_again(place);
        }
        fails || self.now < self.outage_until
    }

    /// Delivers the outcome of an attempt to the isolate.
    pub(super) fn heard(&mut self, driver: u64, heard: Heard) {
        let Some(ask) = self.asks.get_mut(&driver) else {
            return;
        };
        let now = UnixMillis(self.now);
        let Isolate {
            breaker, number, ..
        } = &mut self.isolates[ask.place];
        let lead = ask.lead.as_mut().unwrap();
        let observed = What::Heard {
            isolate: *number,
            driver,
            is_read: matches!(ask.need, Need::Read { .. }),
            failed: match &heard {
                Ok(Found::Unavailable) => Some(Cause::Other),
                Ok(_) => None,
                Err(cause) => Some(*cause),
            },
        };
        if let Some(permit) = lead.permit {
            match &heard {
                Ok(Found::Unavailable) | Err(_) => breaker.record_failure(permit, now),
                Ok(_) => breaker.record_success(permit),
            }
        }
        let random = self.random.next_u32();
        let next = match &heard {
            Ok(_) => None,
            Err(cause) => Some(lead.retry.after_failure(*cause, random, now)),
        };
        self.observe(observed);
        match next {
            Some(Next::After(ms)) => self.schedule_at(self.now + ms, Event::Again { driver }),
            Some(Next::GiveUp) => self.finish_ask(driver, &Found::Unavailable),
            None => self.finish_ask(driver, &heard.unwrap_or(Found::Unavailable)),
        }
    }

    /// Retries the call.
    pub(super) fn again(&mut self, driver: u64) {
        if self.asks.contains_key(&driver) {
            self.begin_attempt(driver);
        }
    }

    /// Fails a call at its deadline.
    pub(super) fn deadline(&mut self, driver: u64) {
        if self.asks.contains_key(&driver) {
            self.finish_ask(driver, &Found::Unavailable);
        }
    }

    /// Ends a flight: its leader and all followers get the answer.
    fn finish_ask(&mut self, driver: u64, found: &Found) {
        let ask = self.asks.remove(&driver).unwrap();
        let question = ask.question();
        self.see_read(ask.place, &question, found);
        let lead = ask.lead.as_ref().unwrap();
        let isolate = &mut self.isolates[ask.place];
        isolate.flights.finish(&question, lead.flight);
        let (isolate, asked) = (isolate.number, lead.asked);
        self.observe(What::Answered {
            isolate,
            driver,
            question,
        });
        let mut everybody = Vec::new();
        for one in lead.followers.waiting.take() {
            // A follower whose wait was over follows another flight by now, or leads one.
            let follows =
                |other: &&Ask| other.lead.is_none() && other.followed == Some(lead.flight);
            if self.asks.get(&one).filter(follows).is_some() {
                everybody.extend(self.asks.remove(&one));
            }
        }
        for one in everybody.iter().chain([&ask]) {
            let asked = match found {
                Found::Unavailable => one.began,
                _ => asked,
            };
            let key = one.key().to_owned();
            let task = one.task;
            let event = match one.writer {
                None => {
                    let answer = Reply::Found(key, found.clone(), asked);
                    Event::Answer { task, answer }
                }
                Some(driver) => Event::Merge {
                    driver,
                    found: found.clone(),
                    asked,
                },
            };
            self.schedule_at(self.now, event);
        }
    }
}
