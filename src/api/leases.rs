//! Serves the leases of the session API: `/api/sessions/{name}/lease`.

use chacha20::rand_core::Rng as _;
use serde_json::Value;

use super::session::{REPLY, invalid, problem, read_begin, read_wait, send, start_of};
use crate::api::body;
use crate::clock::{Seconds, UnixSeconds};
use crate::encoding::json;
use crate::gateway::lease_wait::{self, LeaseWait};
use crate::gateway::update::{Update, UpdateError, UpdateOutcome};
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::session::change::Change;
use crate::session::id::PublicName;
use crate::session_object::command::{LeaseCommand, Operation, Status};
use crate::tenant::Consistency;

/// Key of the reply to a command that is sent again, once the record that it needs has begun.
const REPLY_AFTER_BEGIN: &str = "said after begin";

/// Default duration of a lease.
const LEASE: Seconds = Seconds(30);

pub(super) fn take_lease(
    gateway: &mut Gateway,
    name: PublicName,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    require_objects(gateway)?;
    let mut command = LeaseCommand {
        seconds: LEASE,
        token: None,
        once: gateway.random.next_u64(),
        exclusive: false,
    };
    let mut wait = Seconds(0);
    let mut begin = None;
    if context.request.header("content-type").is_some() {
        for (member, value) in &body::object(context)? {
            match (member.as_str(), value) {
                ("exclusive", Value::Bool(is)) => command.exclusive = *is,
                ("wait", value) => wait = read_wait(value)?,
                ("begin", value) => begin = Some(read_begin(value)?),
                (member, value) => match (member, value.as_u64()) {
                    ("seconds", Some(requested)) if (1..=300).contains(&requested) => {
                        command.seconds = Seconds(requested);
                    }
                    ("token", Some(held)) => command.token = Some(held),
                    _ => {
                        return Err(invalid(
                            "The body may hold `seconds`: 1 to 300, `exclusive`: true or false, `wait`: 0 to 10 seconds, `begin`: the number in X-Session-Created, and `token`: that of a lease to extend.",
                        ));
                    }
                },
            }
        }
    }
    let attempt = LeaseWait::new(context.answers, wait);
    let order = Operation::Lease(command);
    let mut reply = send(gateway, name, order.clone(), &attempt.key(REPLY), context)?;
    if reply.is == Status::Absent {
        begin_record(gateway, name, begin, context)?;
        reply = send(gateway, name, order, REPLY_AFTER_BEGIN, context)?;
    }
    if let Some(pause) = attempt.pause(REPLY, &reply, context.now, gateway.random.next_u32()) {
        return Err(Interrupt::Pending(vec![pause]));
    }
    match (reply.is, reply.lease) {
        (Status::Live, Some((token, until))) => Ok(Answer::json(
            200,
            &json!({ "token": token, "until": until.seconds().0, "exclusive": reply.exclusive }),
        )),
        (Status::Held, held) => {
            let until = held.map(|(_, until)| until);
            Err(Problem::Leased(lease_wait::retry_after(until, context.now)).into())
        }
        (Status::Ended | Status::Absent | Status::Outdated, _) => Err(Problem::NotFound.into()),
        _ => Err(Problem::StoreUnavailable.into()),
    }
}

/// Gives the object a record to lease: that of the namespace, or else a new one for a guest.
fn begin_record(
    gateway: &mut Gateway,
    name: PublicName,
    begin: Option<UnixSeconds>,
    context: &RequestContext<'_>,
) -> Result<(), Interrupt> {
    let since = start_of(gateway, name, begin, context.now)?;
    let update = Update {
        begins: since.is_some(),
        since,
        ..Update::of_named(name, Change::default())
    };
    let begun =
        gateway
            .sessions
            .update(&mut gateway.recorder, &update, context.answers, context.now);
    match begun.map_err(Interrupt::Pending)? {
        UpdateOutcome::Live { .. } => Ok(()),
        UpdateOutcome::Ended => Err(Problem::NotFound.into()),
        UpdateOutcome::Not(UpdateError::Absent) if name.sign_in.is_none() => {
            Err(Problem::NotRecorded.into())
        }
        UpdateOutcome::Not(error) => Err(problem(&error, context.now).into()),
    }
}

pub(super) fn release_lease(
    gateway: &mut Gateway,
    name: PublicName,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    require_objects(gateway)?;
    let body = body::object(context)?;
    let token = body.get("token").and_then(Value::as_u64);
    let Some(token) = token.filter(|_| body.len() == 1) else {
        return Err(invalid(
            "The body must hold `token`, that of the lease, and nothing else.",
        ));
    };
    // A lease that has expired is released already.
    let reply = send(gateway, name, Operation::Release { token }, REPLY, context)?;
    match reply.is {
        Status::Outdated => Err(Problem::NotFound.into()),
        _ => Ok(Answer::empty(204)),
    }
}

fn require_objects(gateway: &Gateway) -> Result<(), Interrupt> {
    match gateway.tenant.consistency {
        Consistency::Strong => Ok(()),
        Consistency::Eventual => Err(Problem::NeedsObjects.into()),
    }
}
