//! Derives metrics from log events. An event is recorded once, and only this module counts it.

use super::log::Event;
use super::metric;
use super::series::Series;

/// Returns the method and the result of the sign-in that an event ends, if it ends one.
#[must_use]
pub(crate) fn sign_in_of(event: &Event) -> Option<(&str, &'static str)> {
    match event.name() {
        "signed_in" => Some((event.text("method"), "ok")),
        "login_failed" => Some((event.text("method"), "refused")),
        "idp_denied" => Some(("oidc", "refused")),
        "idp_failed" | "idp_mixup" => Some(("oidc", "failed")),
        "token_refused" => Some(("token", "refused")),
        _ => None,
    }
}

/// Counts an event.
pub(crate) fn count(series: &mut Series, event: &Event) {
    let tenant = event.text("tenant");
    let mut add = |name: &'static str, labels: &[&str]| {
        let mut all = tenant.to_owned();
        for label in labels {
            all.push(super::series::SEPARATOR);
            all.push_str(label);
        }
        series.count(name, &all, 1);
    };
    add(metric::EVENTS, &[event.name()]);
    if let Some((method, result)) = sign_in_of(event) {
        add(metric::LOGINS, &[method, result]);
    }
    let (origin, reason) = (event.text("origin"), event.text("reason"));
    match event.name() {
        "origin_failed" => add(metric::ORIGIN_FAILURES, &[origin, reason]),
        "origin_ejected" => add(metric::ORIGIN_EJECTIONS, &[origin, reason]),
        "session_ended" => add(metric::SESSIONS_ENDED, &[reason]),
        "audit_session_ended" => add(metric::SESSIONS_ENDED, &["operator"]),
        "signed_out_at_provider" => add(metric::SESSIONS_ENDED, &["provider"]),
        "signed_in" => add(metric::SESSIONS_CREATED, &["signed_in"]),
        "tenant_document_broken" => add(metric::CONFIG_ERRORS, &[]),
        _ => {}
    }
}
