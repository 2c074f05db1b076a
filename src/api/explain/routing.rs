//! Explains the choice of the origin, and the state of each origin.

use crate::encoding::json;
use crate::gateway::parts::Balancer;
use serde_json::Value;

use super::Explanation;
use crate::balancer::pool::{Origin, OriginState};
use crate::balancer::releases::Releases;
use crate::clock::UnixMillis;
use crate::gateway::authenticate::Visitor;
use crate::gateway::client_info::facts;
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
    let location = &context.request.location;
    let pools = &gateway.balancer.pools;
    let of_path = pools.at(location.path);
    let pool = of_path.unwrap_or(&pools.default);
    explanation.origins = pool
        .iter()
        .map(|origin| {
            let (is_usable, because) = fitness(&gateway.balancer, origin, record, now);
            let score = origin.displayed_score(record.handle);
            explain_origin(gateway, origin, score, is_usable, &because, now)
        })
        .collect();
    let choice = gateway
        .balancer
        .choice(location, record, context.answers.failures(), now);
    let choice = choice.ok_or(Problem::OriginUnreachable)?;
    let name = &choice.origin.name;
    let because = match choice.why {
        Reason::Handle if of_path.is_some() => {
            "It has the highest score among the origins of this path, for the session's release and age.".to_owned()
        }
        Reason::Handle => {
            "It has the highest score among the origins for the session's release and age.".to_owned()
        }
        Reason::Pin => "The conversation moved there before, and the session is pinned to it.".to_owned(),
        Reason::ReturnedAfterIdle => "The conversation had moved away. After a long time without use (routing.pin_idle) it returns to the origin that its handle selects.".to_owned(),
        Reason::Strict => {
            "It is ejected, but routing.strict_pins allows no other origin for this session.".to_owned()
        }
        Reason::NextOfRelease(home) => {
            format!("{home}, where it belongs, cannot be used. This one is next by score in its release.")
        }
        Reason::Next(home) => {
            format!("{home}, where it belongs, cannot be used, and no other of its release. This one is next by score of all.")
        }
        Reason::LastResort => {
            "No origin is usable. This one is tried as a last resort.".to_owned()
        }
    };
    explanation.choice = json!({ "origin": name, "because": because, "takeover": choice.moves });
    if gateway.balancer.health.is_lost(name, now) {
        let because = "The last probe could not reach the origin. While requests need it, a probe is sent once a second.";
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
    let releases = gateway.tenant.releases.as_ref();
    let pools = &gateway.balancer.pools;
    let of_path = pools.at(context.request.location.path);
    let pool = || of_path.unwrap_or(&pools.default).iter();
    let all: u32 = pool()
        .filter(|origin| takes(origin))
        .map(|origin| origin.weight)
        .sum();
    explanation.origins = pool()
        .map(|origin| {
            let is_usable = takes(origin);
            let because = if !origin.is_open(releases) || gateway.balancer.is_ejected(origin, now) {
                "It is taken out of service or ejected.".to_owned()
            } else if is_usable && of_path.is_some() {
                "It can be used. The score is its probability by weight.".to_owned()
            } else if is_usable {
                "It takes new sessions. The score is its probability by weight. Two origins are drawn, and the less busy one is selected.".to_owned()
            } else if gateway.balancer.state(origin) == OriginState::Drain {
                drained(origin).to_owned()
            } else {
                "It is full: it keeps its sessions and gets no new ones.".to_owned()
            };
            let share = if is_usable {
                f64::from(origin.weight) / f64::from(all.max(1))
            } else {
                0.0
            };
            explain_origin(gateway, origin, share, is_usable, &because, now)
        })
        .collect();
    let queue = gateway.tenant.overload.queue;
    let waiting = queue.map_or(0, |_| gateway.balancer.waiting(now));
    if of_path.is_none() && (gateway.balancer.is_full(now) || waiting > 0) {
        explanation.because = queue.map(|_| {
            format!("New visitors are served in order of arrival (routing.overload.queue): {waiting} wait.")
        });
        return Err(Problem::Overloaded(None).into());
    }
    if !pool().any(|origin| origin.is_open(releases)) {
        return Err(Problem::OriginUnreachable.into());
    }
    let begins = match of_path {
        None => {
            "A new session would begin. Its origin is drawn at random among those that take new sessions."
        }
        Some(_) => {
            "A new session would begin. Its handle, which is random, selects the origin of this path."
        }
    };
    let release = releases.map(|releases| release_of_new(releases, context));
    explanation.because = Some(format!("{begins}{}", release.unwrap_or_default()));
    Ok(())
}

/// Says which rule assigns a release to a new session. The draw itself cannot be told beforehand.
fn release_of_new(releases: &Releases, context: &RequestContext<'_>) -> String {
    let facts = facts(context.request, None);
    let decided = releases.decide(&facts, &mut || 0);
    let rule = decided.and_then(|(at, _)| Some((at + 1, releases.rules().get(at)?)));
    match rule {
        None => " No rule for a gray release holds.".to_owned(),
        Some((at, rule)) => format!(
            " Rule {at} for gray releases holds: {} % of such sessions begin in release {}.",
            rule.percent, rule.release
        ),
    }
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
    for other in ["url", "capacity", "followed", "takes_new_sessions"] {
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
    origin: &Origin,
    record: &Record,
    now: UnixMillis,
) -> (bool, String) {
    let releases = balancer.tenant.releases.as_ref();
    if origin.state == OriginState::Down {
        return (false, "It takes no sessions: its state is down.".to_owned());
    }
    if !origin.is_open(releases) {
        return (
            false,
            "Its release is off in routing.releases or routing.canary.".to_owned(),
        );
    }
    if balancer.health.is_lost(&origin.name, now) {
        return (false, "It is unreachable, and ejected.".to_owned());
    }
    if balancer.is_ejected(origin, now) {
        return (
            false,
            "It failed recently, here or elsewhere, and is ejected.".to_owned(),
        );
    }
    let is_drained = balancer.state(origin) == OriginState::Drain;
    if is_drained && !origin.paths.is_empty() {
        return (false, drained(origin).to_owned());
    }
    let because = if balancer.has_failed(origin, now) {
        "It failed recently, but so did most origins. Ejecting all of them would overload the rest."
    } else if record.pin.as_deref() == Some(&origin.name) {
        "The session is pinned to it."
    } else if releases
        .is_some_and(|all| all.of_origin(origin) != all.of((record.handle, record.created)))
    {
        "It runs another release than the session's. It is used only if no origin of that release can be."
    } else if origin.since > record.created {
        "The session is older than the origin (since). It is used only if no older origin can be."
    } else if is_drained {
        drained(origin)
    } else {
        "It can be used."
    };
    (true, because.to_owned())
}

/// Explains what draining means: only an origin of the default pool has sessions to keep.
fn drained(origin: &Origin) -> &'static str {
    if origin.paths.is_empty() {
        "It is drained: it keeps its sessions and gets no new ones."
    } else {
        "It is drained: it gets no more requests while another origin of its paths can be used."
    }
}
