//! Reports this isolate's counts to the telemetry object, or keeps them here if none is bound.

use sha2::{Digest as _, Sha256};

use super::{Interrupt, Router};
use crate::clock::UnixMillis;
use crate::deployment::Deployment;
use crate::effect::{Answers, CALL_DEADLINE_MS, Class, Found, Need};
use crate::encoding;
use crate::http::query::Query;
use crate::http::request::Request;
use crate::response::problem::Problem;
use crate::response::{Answer, DATA_POLICY};
use crate::telemetry::aggregator::Collection;
use crate::telemetry::batch::Batch;
use crate::telemetry::gauge::Milli;
use crate::telemetry::histogram::Bounds;
use crate::telemetry::labels::RequestLabels;
use crate::telemetry::log::{Event, Level};
use crate::telemetry::message::{self, Command, Scope};
use crate::telemetry::{metric, prometheus};
use crate::tenant_id::TenantId;

/// Binding of the object, and its name.
const OBJECTS: &str = "TELEMETRY_OBJECTS";
const OBJECT: &str = "telemetry";

/// Counts that are not reported yet.
pub(super) struct TelemetryReports {
    /// Random id of this isolate.
    isolate: String,
    /// Number of batches so far.
    batches: u64,
    batch: Batch,
    /// Aggregate of this isolate's batches, if no object is bound.
    own: Option<Collection>,
    /// Version of the deployment's variables.
    version: String,
}

impl TelemetryReports {
    pub(super) fn new(deployment: &Deployment, number: u64) -> Self {
        let has_object = deployment.secrets.has(OBJECTS);
        let buckets = deployment.secrets.of_deployment("METRICS_BUCKETS");
        Self {
            isolate: format!("{number:016x}"),
            batches: 0,
            batch: Batch::default(),
            own: (!has_object).then(|| Collection::within(Bounds::of_setting(buckets))),
            version: version(deployment.defaults.to_string().as_bytes()),
        }
    }
}

impl Router {
    /// Returns the labels of the last decided request.
    #[must_use]
    pub(crate) fn labels(&self) -> &RequestLabels {
        &self.labels
    }

    /// Merges counts from both planes of the Worker.
    pub(crate) fn take_in(&mut self, counted: Batch) {
        self.reports.batch.merge(counted);
    }

    /// Adds an event to the console's log.
    pub(crate) fn show(&mut self, event: &Event) {
        self.reports.batch.show(event.to_json());
    }

    /// Answers `/admin/metrics`, `/admin/overview` and `/admin/logs`, for one tenant or all.
    pub(super) fn serve_telemetry(
        &mut self,
        route: &str,
        tenant: Option<&TenantId>,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Answer, Interrupt> {
        let query = Query::parse(request.location.query(), &["tenant", "after", "level"]);
        let query = query.map_err(|bad| Interrupt::Reject(bad.into()))?;
        let after = query.get("after").unwrap_or("0").parse::<u64>();
        let after = after.map_err(|_| invalid("`after` is a number."))?;
        let level = query.get("level").map_or(Some(Level::Info), Level::named);
        let level = level.ok_or_else(|| invalid("`level` is info, warn or error."))?;
        // A single tenant sees all series, because those of the deployment's own hosts belong to no tenant.
        let shown_tenant = tenant.filter(|_| self.registry.only() != tenant);
        let query = message::Query {
            after,
            level,
            scope: match self.reports.own {
                Some(_) => Scope::Isolate,
                None => Scope::Deployment,
            },
            tenant: shown_tenant.map(|tenant| tenant.as_str().to_owned()),
        };
        let command = match route {
            "metrics" => Command::Page(query),
            "overview" => Command::Overview(query),
            _ => Command::Lines(query),
        };
        let body = match &mut self.reports.own {
            Some(own) => own.apply(command, now),
            None => request_from_object(&command, answers)?,
        };
        let media_type = match route {
            "metrics" => prometheus::MEDIA_TYPE,
            _ => "application/json",
        };
        let answer = Answer::empty(200)
            .with("content-type", media_type)
            .with("x-content-type-options", "nosniff")
            .with("content-security-policy", DATA_POLICY);
        Ok(Answer { body, ..answer })
    }

    /// Returns the next batch as a command for the object. Without an object, applies the batch here and returns an
    /// empty text.
    pub(crate) fn take_batch(&mut self, now: UnixMillis) -> String {
        let mut batch = core::mem::take(&mut self.reports.batch);
        for (tenant, gateway) in self.gateways.iter_mut() {
            batch.add(&gateway.recorder.take_series());
            let stored = gateway.limits.sessions_gauge(now);
            for (name, labels, value) in gateway.balancer.gauges(now).into_iter().chain(stored) {
                batch.set_gauge(name, labels, value);
            }
            let version = self.registry.version_of(tenant);
            let version = version.unwrap_or(&self.reports.version);
            batch.set_gauge(metric::CONFIG, format!("{tenant}\t{version}"), Milli::of(1));
        }
        for (tenant, at) in self.registry.faults() {
            let at = Milli(at.0);
            batch.set_gauge(metric::CONFIG_LAST_ERROR, tenant.to_string(), at);
        }
        batch.add(&self.series);
        self.series = crate::telemetry::series::Series::default();
        let version = env!("CARGO_PKG_VERSION");
        batch.set_gauge(metric::BUILD, version.to_owned(), Milli::of(1));
        self.reports.batches += 1;
        let command = batch.into_command(&self.reports.isolate, self.reports.batches);
        match &mut self.reports.own {
            Some(own) => {
                own.apply(command, now);
                String::new()
            }
            None => command.to_text(),
        }
    }
}

/// Returns the object's answer to a query.
fn request_from_object(command: &Command, answers: &Answers) -> Result<String, Interrupt> {
    const KEY: &str = "telemetry";
    match answers.found(KEY) {
        None => Err(Interrupt::Pending(vec![Need::Call {
            class: Class::Telemetry,
            name: OBJECT.to_owned(),
            command: command.to_text(),
            key: KEY.to_owned(),
            deadline_ms: CALL_DEADLINE_MS,
        }])),
        // An object of an older release answers an unknown command with no bytes.
        Some(Found::Bytes(bytes)) if !bytes.is_empty() => {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
        Some(_) => Err(Interrupt::Reject(Problem::StoreUnavailable)),
    }
}

fn invalid(what: &str) -> Interrupt {
    Interrupt::Reject(Problem::Invalid(what.to_owned()))
}

/// Returns the version of a document: the first 6 bytes of its SHA-256, as hex.
pub(super) fn version(text: &[u8]) -> String {
    let hash: [u8; 32] = Sha256::digest(text).into();
    let mut hex = String::with_capacity(12);
    encoding::push_hex(&mut hex, &hash[..6]);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_answer_of_the_object_is_no_figures() {
        let command = Command::Page(message::Query::default());
        for (bytes, expected) in [("", None), ("vestibule_up 1", Some("vestibule_up 1"))] {
            let mut answers = Answers::default();
            let found = Found::Bytes(bytes.as_bytes().to_vec());
            answers.add("telemetry", found, UnixMillis(0));
            let text = request_from_object(&command, &answers).ok();
            assert_eq!(text.as_deref(), expected);
        }
    }
}
