//! Explains the choice of the origin, and the state of each origin.

use crate::encoding::json;
use crate::gateway::parts::Balancer;
use serde_json::Value;

use super::Explanation;
use crate::balancer::pool::{Origin, OriginState};
use crate::clock::UnixMillis;
use crate::gateway::authenticate::Visitor;
use crate::gateway::select_origin::Reason;
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::response::problem::Problem;
use crate::session::record::Record;

/// Explains the origin of an existing session.
pub(super) fn explain_routing(
    gateway: &Gateway,
    visitor: &Visitor,
    context: &RequestContext<'_>,
    explanation: &mut Explanation,
) -> Result<(), Interrupt> {
    let now = context.now;
    let record = &visitor.session.record;
    let pool = gateway.tenant.pool.iter().enumerate();
    explanation.origins = pool
        .map(|(at, origin)| {
            let (is_usable, because) = fitness(&gateway.balancer, at, origin, record, now);
            let score = origin.displayed_score(record.handle);
            explain_origin(gateway, origin, score, is_usable, &because, now)
        })
        .collect();
    let choice = gateway
        .balancer
        .choice(record, context.answers.failures(), now);
    let choice = choice.ok_or(Problem::OriginUnreachable)?;
    let name = &choice.origin.name;
    let because = match choice.why {
        Reason::Handle => {
            "Of the origins of its release and time it has the highest score.".to_owned()
        }
        Reason::Pin => "The conversation moved there, which is noted in the session.".to_owned(),
        Reason::ReturnedAfterIdle => "The conversation had moved away; it was not in use for so long (routing.pin_idle) that it returns to where its handle leads.".to_owned(),
        Reason::Strict => {
            "It is passed over, but routing.strict_pins lets no other answer for it.".to_owned()
        }
        Reason::NextOfRelease(home) => {
            format!("{home}, where it belongs, cannot be used; this is the next by score of its release.")
        }
        Reason::Next(home) => {
            format!("{home}, where it belongs, cannot be used, nor another of its release; this is the next by score of all.")
        }
        Reason::LastResort => {
            "All are passed over; this one is worth a try nevertheless.".to_owned()
        }
    };
    explanation.choice = json!({ "origin": name, "because": because, "takeover": choice.moves });
    if gateway.balancer.health.is_lost(name, now) {
        let because = "It could not be reached when it was probed last; while somebody wants it, that is done once a second.";
        explanation.because = Some(because.to_owned());
        return Err(Problem::OriginUnreachable.into());
    }
    Ok(())
}

/// Explains the possible origins of a new session. Its random handle decides among them.
pub(super) fn explain_new_session(
    gateway: &Gateway,
    context: &RequestContext<'_>,
    explanation: &mut Explanation,
) -> Result<(), Interrupt> {
    let now = context.now;
    let takes = |origin: &Origin| {
        gateway.balancer.takes_new(origin, now) && !gateway.balancer.is_ejected(origin, now)
    };
    let canary = gateway.tenant.canary.as_ref();
    let pool = || gateway.tenant.pool.iter();
    let all: u32 = pool()
        .filter(|origin| takes(origin))
        .map(|origin| origin.weight)
        .sum();
    explanation.origins = pool()
        .map(|origin| {
            let is_usable = takes(origin);
            let because = if !origin.is_open(canary) || gateway.balancer.is_ejected(origin, now) {
                "It is taken out or passed over.".to_owned()
            } else if is_usable {
                "It takes new sessions. The score is its share of the draws by weight; of two drawn the less busy one is taken.".to_owned()
            } else if gateway.balancer.state(origin) == OriginState::Drain {
                "It is drained: it keeps the sessions it has, and gets no new ones.".to_owned()
            } else {
                "It is full: it keeps the sessions it has, and gets no new ones.".to_owned()
            };
            let share = if is_usable {
                f64::from(origin.weight) / f64::from(all.max(1))
            } else {
                0.0
            };
            explain_origin(gateway, origin, share, is_usable, &because, now)
        })
        .collect();
    if gateway.balancer.is_full(now) {
        return Err(Problem::Overloaded.into());
    }
    if !pool().any(|origin| origin.is_open(canary)) {
        return Err(Problem::OriginUnreachable.into());
    }
    let begins = "A new session would begin, and its origin be drawn among those that take one, which cannot be told beforehand.";
    explanation.because = Some(begins.to_owned());
    Ok(())
}

fn explain_origin(
    gateway: &Gateway,
    origin: &Origin,
    score: f64,
    is_usable: bool,
    because: &str,
    now: UnixMillis,
) -> Value {
    let mut known = gateway.balancer.describe_origin(origin, now);
    for other in ["url", "capacity", "takes_new_sessions"] {
        known.remove(other);
    }
    known.insert("score".to_owned(), json!(score));
    known.insert("usable".to_owned(), json!(is_usable));
    known.insert("because".to_owned(), json!(because));
    Value::Object(known)
}

/// Returns whether a session can use an origin, and why.
fn fitness(
    balancer: &Balancer,
    at: usize,
    origin: &Origin,
    record: &Record,
    now: UnixMillis,
) -> (bool, String) {
    let canary = balancer.tenant.canary.as_ref();
    if origin.state == OriginState::Down {
        return (
            false,
            format!("It takes nothing: origins[{at}].state is down."),
        );
    }
    if !origin.is_open(canary) {
        return (
            false,
            "Its release is taken out: routing.canary.off.".to_owned(),
        );
    }
    if balancer.health.is_lost(&origin.name, now) {
        return (
            false,
            "It cannot be reached, and is passed over.".to_owned(),
        );
    }
    if balancer.is_ejected(origin, now) {
        return (
            false,
            "It failed lately, here or elsewhere, and is passed over.".to_owned(),
        );
    }
    let because = if balancer.has_failed(origin, now) {
        "It failed lately, but so did most, and passing them all over would crush the rest."
    } else if record.pin.as_deref() == Some(&origin.name) {
        "The session is pinned to it."
    } else if canary.is_some_and(|canary| !canary.assigns(origin, record.handle)) {
        "It is of another release than the session: only if none of its own can be used."
    } else if origin.since > record.created {
        let because = format!(
            "The session is older than it (origins[{at}].since): only if none of its time can be used."
        );
        return (true, because);
    } else if balancer.state(origin) == OriginState::Drain {
        "It is drained: it keeps the sessions it has, and gets no new ones."
    } else {
        "It can be used."
    };
    (true, because.to_owned())
}
