//! Derives metrics from log events. An event is recorded once, and only this module counts it.

use super::log::Event;
use super::metric;
use super::series::Series;

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
    let (origin, reason) = (event.text("origin"), event.text("reason"));
    match event.name() {
        "origin_failed" => add(metric::ORIGIN_FAILURES, &[origin, reason]),
        "origin_ejected" => add(metric::ORIGIN_EJECTIONS, &[origin, reason]),
        "session_ended" => add(metric::SESSIONS_ENDED, &[reason]),
        "audit_session_ended" => add(metric::SESSIONS_ENDED, &["operator"]),
        "signed_out_at_provider" => add(metric::SESSIONS_ENDED, &["provider"]),
        "signed_in" => {
            add(metric::LOGINS, &[event.text("method"), "ok"]);
            add(metric::SESSIONS_CREATED, &["signed_in"]);
        }
        "login_failed" => add(metric::LOGINS, &[event.text("method"), "refused"]),
        "idp_denied" => add(metric::LOGINS, &["oidc", "refused"]),
        "idp_failed" | "idp_mixup" => add(metric::LOGINS, &["oidc", "failed"]),
        "token_refused" => add(metric::LOGINS, &["token", "refused"]),
        "tenant_document_broken" => add(metric::CONFIG_ERRORS, &[]),
        _ => {}
    }
}
