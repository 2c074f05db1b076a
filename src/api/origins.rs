//! Serves `/api/origins/{name}/ready` and `/unready`: an origin says itself whether it takes requests, before it stops.
//!
//! The pool object treats it like a failed health check: the origin is skipped in every location, and the statement
//! expires by itself.

use super::session::check_origin_key;
use crate::balancer::message::Command;
use crate::effect::Found;
use crate::gateway::origin_sync::POOL;
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::telemetry::log::{ConfigName, Event, Level};
use crate::tenant::Consistency;

/// Serves `POST` to `{name}/ready` and `{name}/unready`; `route` is the part after `/api/origins/`.
pub(super) fn respond_to_origin(
    gateway: &mut Gateway,
    route: &str,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    check_origin_key(&mut gateway.limits, &mut gateway.recorder, context)?;
    let (name, act) = route.rsplit_once('/').ok_or(Problem::NotFound)?;
    let ready = act == "ready";
    command_pool(gateway, name, context, |origin| Command::Checked {
        origin,
        ready,
    })?;
    let event = Event::new(Level::Info, "origin_readiness").with("origin", ConfigName(name));
    gateway.recorder.emit(event.with("ready", ready));
    Ok(Answer::empty(204))
}

/// Sends a command about an origin of the pool to the pool object, with `POST`, and learns from its answer.
///
/// # Errors
/// Returns the need to perform first, or why the command cannot be given.
pub(super) fn command_pool(
    gateway: &mut Gateway,
    name: &str,
    context: &RequestContext<'_>,
    command: impl FnOnce(String) -> Command,
) -> Result<(), Interrupt> {
    let Gateway {
        tenant, balancer, ..
    } = gateway;
    if tenant.consistency == Consistency::Eventual {
        return Err(Problem::NeedsObjects.into());
    }
    if balancer.pools.named(name).is_none() {
        return Err(Problem::NotFound.into());
    }
    match context.answers.found(POOL) {
        None => {
            let command = command(name.to_owned());
            Err(Interrupt::Pending(vec![
                balancer.pool_need(POOL, command.to_text()),
            ]))
        }
        Some(Found::Bytes(answer)) => {
            balancer.learn(answer, context.now);
            Ok(())
        }
        Some(Found::Absent | Found::Unavailable) => Err(Problem::StoreUnavailable.into()),
    }
}
