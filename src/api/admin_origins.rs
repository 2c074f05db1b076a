//! Serves `/admin/origins`: lists the origins, and drains them.

use super::origins::command_pool;
use crate::encoding::json;
use crate::gateway::origin_sync::POOL;
use serde_json::Value;

use crate::balancer::message::Command;
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::telemetry::log::{ConfigName, Event, Level};
use crate::tenant::Consistency;

/// Serves `GET /admin/origins`, `POST /admin/origins/{name}/drain` and `/undrain`.
pub(super) fn respond_about_origins(
    gateway: &mut Gateway,
    route: &str,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    if gateway.tenant.consistency == Consistency::Eventual {
        return Err(Problem::NeedsObjects.into());
    }
    if route.is_empty() {
        return list_origins(gateway, context);
    }
    let (name, act) = route
        .strip_prefix('/')
        .and_then(|rest| rest.rsplit_once('/'))
        .ok_or(Problem::NotFound)?;
    let drained = act == "drain";
    command_pool(gateway, name, context, |origin| Command::Drain {
        drained,
        origin,
    })?;
    let event = Event::new(Level::Info, "audit_origin_drained").with("origin", ConfigName(name));
    gateway.recorder.emit(event.with("drained", drained));
    Ok(Answer::empty(204))
}

fn list_origins(gateway: &mut Gateway, context: &RequestContext<'_>) -> Result<Answer, Interrupt> {
    if context.answers.found(POOL).is_none() {
        return Err(Interrupt::Pending(
            gateway
                .balancer
                .sync_origins(context.answers, context.now)
                .into_iter()
                .collect(),
        ));
    }
    gateway.balancer.sync_origins(context.answers, context.now);
    let origins = gateway.balancer.pools.origins();
    let origins: Vec<Value> = origins
        .map(|origin| Value::Object(gateway.balancer.describe_origin(origin, context.now)))
        .collect();
    let lists = gateway.balancer.describe_lists();
    Ok(Answer::json(
        200,
        &json!({ "origins": origins, "lists": lists }),
    ))
}
