//! Performs the active health checks; see [`crate::balancer::health_check`].

use worker::Env;

use super::io::fetch::Request;
use super::log::report;
use super::timing::within;
use super::{futures, objects, with_ready};
use crate::balancer::health_check::{DEADLINE_MS, HealthCheck};
use crate::effect::{CALL_DEADLINE_MS, Class};
use crate::router::Router;

/// Checks all origins with a health path, for the tenants in this isolate.
pub(crate) async fn check_health(env: &Env) {
    let checks = with_ready(|router| Router::health_checks(router)).unwrap_or_default();
    futures::all(checks.iter().map(|check| make(env, check))).await;
}

async fn make(env: &Env, check: &HealthCheck) {
    let is_ready = within(DEADLINE_MS, is_ready(&check.url)).await;
    let command = check.command(is_ready.unwrap_or_default());
    let sent = objects::call(env, Class::Pool, check.tenant.as_str(), &command);
    match within(CALL_DEADLINE_MS, sent).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => report("check_not_told", &error),
        Err(error) => report("check_not_told", error.to_string().as_str()),
    }
}

async fn is_ready(url: &str) -> bool {
    let Ok(answer) = Request::get(url).deadline(DEADLINE_MS).send().await else {
        return false;
    };
    let is_ready = answer.is_ok();
    answer.discard().await;
    is_ready
}
