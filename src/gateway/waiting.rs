//! Lets newcomers wait in order while their tenant is full (`routing.overload.queue`).
//!
//! A newcomer gets a ticket: a short-lived cookie that says, sealed, when it arrived and when it last asked. The
//! tenant's pool object orders the tickets of all isolates. An isolate asks it for newcomers who must wait only. While
//! there is room, one newcomer in two seconds waits for the exchange that tells the isolate so.

use chacha20::rand_core::Rng as _;

use super::origin_sync::POOL;
use super::parts::{Balancer, Recorder};
use super::{Gateway, Interrupt, RequestContext};
use crate::auth::sealed_cookie;
use crate::balancer::cluster_view::ClusterView;
use crate::balancer::message::TurnReport;
use crate::balancer::pool::Origin;
use crate::balancer::waiting_queue::{Arrival, Ask, Turn, retry_after};
use crate::clock::{Seconds, UnixMillis};
use crate::cookie::presented::Presented;
use crate::cookie::{jar, set_cookie};
use crate::effect::{Answers, Found, Need};
use crate::gateway::authenticate::credential;
use crate::message;
use crate::response::problem::{Problem, Waiting};
use crate::store::session_index::COUNTED;
use crate::telemetry::log::{Event, Level};
use crate::telemetry::metric;
use crate::tenant::{Consistency, Queue, Tenant};

/// Key of the pool object's answer about a newcomer's turn.
const TURN: &str = "turn";

/// Purpose of the seal.
const PURPOSE: &str = "queue";

/// Number of sessions that may begin at once at an origin without `capacity`. It only shows whether it is full, and not
/// how much room it has.
const UNMEASURED_ROOM: u32 = 20;

/// Time within which a sign-in that may begin must end.
const SIGN_IN_TIME: Seconds = Seconds(600);

/// Proof of a newcomer's arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    arrival: Arrival,
    /// Time until which the ticket is valid.
    until: UnixMillis,
    /// Whether its owner may sign in without waiting again.
    pub(super) may_sign_in: bool,
}

impl Ticket {
    /// Returns the valid ticket that a request presents.
    pub(super) fn presented(tenant: &Tenant, context: &RequestContext<'_>) -> Option<Self> {
        let header = context.request.header("cookie")?;
        let mut tickets = jar::candidates(header, context.cookie.of_queue());
        tickets.find_map(|sealed| {
            let text = sealed_cookie::open(sealed, PURPOSE, &tenant.keys)?;
            let mut parts = text.split('\t').map(str::parse::<u64>);
            let mut next = || parts.next()?.ok();
            let arrival = Arrival {
                at: UnixMillis(next()?),
                id: u32::try_from(next()?).ok()?,
            };
            let until = UnixMillis(next()?);
            let may_sign_in = next()? == 1;
            (context.now < until).then_some(Self {
                arrival,
                until,
                may_sign_in,
            })
        })
    }

    /// Returns the `Set-Cookie` line of the ticket; `None` if it cannot be sealed.
    fn line(self, balancer: &Balancer, context: &RequestContext<'_>) -> Option<String> {
        let Arrival { at, id } = self.arrival;
        let text = format!(
            "{}\t{id}\t{}\t{}",
            at.0,
            self.until.0,
            u8::from(self.may_sign_in)
        );
        let mut random = balancer.random.clone();
        let sealed = sealed_cookie::seal(&text, PURPOSE, &balancer.tenant.keys, &mut random)?;
        let lasts = Seconds(self.until.millis_since(context.now) / 1_000);
        let name = context.cookie.of_queue();
        let sent = balancer.tenant.same_site();
        Some(set_cookie::set_other(
            context.cookie,
            sent,
            name,
            &sealed,
            lasts,
        ))
    }
}

impl Gateway {
    /// Lets a visitor without a session begin to sign in: in its turn, where newcomers wait. Returns the `Set-Cookie`
    /// line with which the sign-in need not wait once more at its end.
    ///
    /// # Errors
    /// Returns the needs to perform first, or the refusal with the visitor's place.
    pub(crate) fn wait_to_sign_in(
        &mut self,
        context: &RequestContext<'_>,
    ) -> Result<Option<String>, Interrupt> {
        let Some(queue) = self.tenant.overload.queue else {
            return Ok(None);
        };
        if matches!(
            credential(&self.tenant, context),
            Presented::Genuine { .. } | Presented::UnknownKey { vouched: true }
        ) {
            return Ok(None);
        }
        let ticket = Ticket::presented(&self.tenant, context);
        if ticket.is_some_and(|ticket| ticket.may_sign_in) {
            return Ok(None);
        }
        self.limits
            .limit_places(&mut self.recorder, ticket.is_some(), context)?;
        self.balancer
            .wait_for_turn(&mut self.recorder, queue, ticket, context)?;
        let ticket = Ticket {
            arrival: self.balancer.arrival(ticket, context.now),
            until: UnixMillis(context.now.0 + SIGN_IN_TIME.0 * 1_000),
            may_sign_in: true,
        };
        Ok(ticket.line(&self.balancer, context))
    }

    /// Returns whether the request ends a sign-in that waited for its turn before.
    pub(super) fn may_end_sign_in(&self, context: &RequestContext<'_>) -> bool {
        let may_sign_in = |ticket: Ticket| ticket.may_sign_in;
        self.tenant.overload.queue.is_some()
            && (context.answers.found(TURN).is_some()
                || Ticket::presented(&self.tenant, context).is_some_and(may_sign_in))
    }
}

impl Balancer {
    /// Lets a newcomer pass if it is its turn.
    ///
    /// # Errors
    /// Returns the needs to perform first, or the refusal with the newcomer's place.
    pub(super) fn wait_for_turn(
        &mut self,
        recorder: &mut Recorder,
        queue: Queue,
        ticket: Option<Ticket>,
        context: &RequestContext<'_>,
    ) -> Result<(), Interrupt> {
        let RequestContext { answers, now, .. } = *context;
        // A step repeated after a failed origin begins the session that was admitted before.
        if self.is_closed() || !answers.failures().is_empty() {
            return Ok(());
        }
        let is_shared = self.tenant.consistency == Consistency::Strong;
        let exchanged = answers.found(POOL);
        if answers.found(TURN).is_none() {
            // An isolate that does not know the load and the queue of the others would let a newcomer overtake.
            if is_shared && (exchanged.is_some() || self.cluster.is_due(now)) {
                let exchange = self.sync_origins(answers, now);
                exchange.map_or(Ok(()), |need| Err(Interrupt::Pending(vec![need])))?;
            }
            if ticket.is_none() && self.waiting(now) == 0 && self.room(now) > 0 {
                return Ok(());
            }
        }
        let arrival = self.arrival(ticket, now);
        let ask = Ask {
            arrival,
            room: self.room(now),
            places: queue.places,
            timeout: queue.timeout,
        };
        let turn = match answers.found(TURN) {
            // It did not answer just now, so it is not asked again.
            None if matches!(exchanged, Some(Found::Absent | Found::Unavailable)) => None,
            None if is_shared => {
                let command = ClusterView::turn_command(&ask);
                return Err(Interrupt::Pending(vec![self.pool_need(TURN, command)]));
            }
            None => {
                let turn = TurnReport::new(arrival, self.queue.ask(&ask, now));
                recorder.count_left("given_up", self.queue.take_given_up());
                let (key, text) = (TURN.to_owned(), message::write(&turn));
                return Err(Interrupt::Pending(vec![Need::Note { key, text }]));
            }
            Some(Found::Bytes(answer)) if is_shared => {
                let turn = self.cluster.learn_turn(answer, now);
                self.apply_lists();
                turn
            }
            Some(Found::Bytes(noted)) => message::read(noted).ok().map(TurnReport::turn),
            Some(Found::Absent | Found::Unavailable) => None,
        };
        let (place, line) = match turn {
            Some((Turn::Admitted, _)) => {
                recorder.count_left("admitted", ticket.is_some().into());
                return Ok(());
            }
            Some((Turn::Waits(place), arrival)) => {
                if ticket.is_none() {
                    recorder.emit(Event::new(Level::Info, "newcomer_queued"));
                }
                (Some(place), self.ticket_line(arrival, queue, context))
            }
            Some((Turn::Refused, arrival)) => {
                recorder.emit(Event::new(Level::Warn, "new_session_refused"));
                // The owner of a ticket comes before those who got the places, as soon as one is free.
                let line = ticket.and_then(|_| self.ticket_line(arrival, queue, context));
                (None, line)
            }
            // Its owner comes again as a newcomer, and counts as one.
            Some((Turn::Spent, _)) => {
                let name = context.cookie;
                let sent = self.tenant.same_site();
                (None, Some(set_cookie::clear(name, sent, name.of_queue())))
            }
            None => {
                recorder.emit(Event::new(Level::Warn, "queue_unavailable"));
                if ask.room > 0 {
                    return Ok(());
                }
                (None, self.ticket_line(arrival, queue, context))
            }
        };
        let waiting = Waiting {
            place,
            retry_after: retry_after(place, queue.timeout),
            ticket: line,
        };
        Err(Problem::Overloaded(Some(waiting.into())).into())
    }

    fn ticket_line(
        &self,
        arrival: Arrival,
        queue: Queue,
        context: &RequestContext<'_>,
    ) -> Option<String> {
        let lasts_ms = queue.timeout.0.saturating_mul(1_000);
        let ticket = Ticket {
            arrival,
            until: UnixMillis(context.now.0.saturating_add(lasts_ms)),
            may_sign_in: false,
        };
        ticket.line(self, context)
    }

    /// Returns the number of newcomers who wait, as far as this isolate knows.
    pub(crate) fn waiting(&self, now: UnixMillis) -> u32 {
        match self.tenant.consistency {
            Consistency::Strong => self.cluster.waiting(now),
            Consistency::Eventual => self.queue.waiting(now),
        }
    }

    fn arrival(&mut self, ticket: Option<Ticket>, now: UnixMillis) -> Arrival {
        match ticket {
            Some(ticket) => ticket.arrival,
            None => Arrival {
                at: now,
                id: self.random.next_u32(),
            },
        }
    }

    /// Returns how many sessions the origins of the usual release accept: those of a gray one draw no newcomer who
    /// waits.
    fn room(&self, now: UnixMillis) -> u32 {
        let releases = self.tenant.releases.as_ref();
        let pool = || self.pools.default.iter();
        let is_usual = |origin: &&Origin| self.release_of(origin).is_none();
        let has_usual = pool().any(|origin| is_usual(&origin) && origin.is_open(releases));
        pool()
            .filter(|origin| !has_usual || is_usual(origin))
            .filter(|origin| origin.since <= now.seconds() && self.takes_new(origin, now))
            .map(|origin| self.room_at(origin, now))
            .fold(0, u32::saturating_add)
    }

    fn room_at(&self, origin: &Origin, now: UnixMillis) -> u32 {
        let everywhere = self.conversations(origin, now);
        let here = self.load.under_way(&origin.name);
        let free = [
            (origin.capacity, everywhere),
            (self.tenant.overload.under_way, here),
        ];
        let free = free
            .into_iter()
            .filter_map(|(most, used)| Some(most?.saturating_sub(used)));
        free.min().unwrap_or(UNMEASURED_ROOM)
    }
}

/// Returns whether this is the first run of the step, before it asked anything.
pub(super) fn is_first_run(answers: &Answers) -> bool {
    let mut keys = [COUNTED, POOL, TURN].iter();
    keys.all(|key| answers.found(key).is_none())
}

impl Recorder {
    fn count_left(&mut self, reason: &str, number: u32) {
        let labels = [self.tenant.id.as_str(), reason].join("\t");
        self.series
            .count(metric::QUEUE_LEFT, &labels, number.into());
    }
}
