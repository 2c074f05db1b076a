//! Lists all metrics, with names, units and labels by the conventions of Prometheus
//! (<https://prometheus.io/docs/practices/naming/>) and, where they apply, OpenTelemetry.
//!
//! A test checks `docs/reference/metrics.md` against this list.

/// Kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Value that only increases, until a restart.
    Counter,
    /// Current value per isolate; the page shows the sum.
    Gauge,
    /// Durations in [`BOUNDS`], or in those that are set.
    Histogram,
}

/// Metric.
#[derive(Debug)]
pub(crate) struct Metric {
    /// Name.
    pub name: &'static str,
    /// Kind.
    pub kind: Kind,
    /// Labels, in the order of their values.
    pub labels: &'static [&'static str],
    /// Help text.
    pub help: &'static str,
}

impl Metric {
    /// Returns the metric with this name.
    #[must_use]
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|metric| metric.name == name)
    }

    /// Returns whether the first label is the tenant.
    #[must_use]
    pub(crate) fn is_of_tenants(&self) -> bool {
        self.labels.first() == Some(&"tenant")
    }
}

/// Upper bounds of the histogram buckets, in milliseconds: those that OpenTelemetry advises for HTTP, and one below
/// them. Releases read counts by position, so these bounds never change.
pub(crate) const BOUNDS: [u32; 15] = [
    1, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000,
];

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        labels,
        help,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        labels,
        help,
    }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Histogram,
        labels,
        help,
    }
}

/// Answered requests.
pub(crate) const REQUESTS: &str = "http_requests_total";
/// Durations of requests.
pub(crate) const DURATION: &str = "http_request_duration_seconds";
/// How long they took, by method, status and route: OpenTelemetry's `http.server.request.duration`.
pub(crate) const SERVER_DURATION: &str = "http_server_request_duration_seconds";
/// Requests that an origin answered.
pub(crate) const ORIGIN_REQUESTS: &str = "vestibule_origin_requests_total";
/// Durations at origins.
pub(crate) const ORIGIN_DURATION: &str = "vestibule_origin_request_duration_seconds";
/// Requests that an origin did not answer.
pub(crate) const ORIGIN_FAILURES: &str = "vestibule_origin_failures_total";
/// Ejections of origins.
pub(crate) const ORIGIN_EJECTIONS: &str = "vestibule_origin_ejections_total";
/// Open connections to origins, by kind.
pub(crate) const ORIGIN_CONNECTIONS: &str = "vestibule_origin_connections_active";
/// Kind of the sockets that pass through: their number is an estimate.
pub(crate) const PASSED_THROUGH: &str = "passed_through";
/// Requests in flight at origins.
pub(crate) const ORIGIN_IN_FLIGHT: &str = "vestibule_origin_in_flight";
/// Load that origins report.
pub(crate) const ORIGIN_LOAD: &str = "vestibule_origin_load_ratio";
/// Origins that are ejected now.
pub(crate) const ORIGIN_EJECTED: &str = "vestibule_origin_ejected";
/// Reads of lists of origins.
pub(crate) const ORIGIN_LIST_READS: &str = "vestibule_origin_list_reads_total";
/// Sessions that began.
pub(crate) const SESSIONS_CREATED: &str = "vestibule_sessions_created_total";
/// Sessions that ended.
pub(crate) const SESSIONS_ENDED: &str = "vestibule_sessions_ended_total";
/// Sessions in use.
pub(crate) const SESSIONS_ACTIVE: &str = "vestibule_sessions_active";
/// Sessions with a record.
pub(crate) const SESSIONS_STORED: &str = "vestibule_sessions_stored";
/// Open streams.
pub(crate) const STREAMS_ACTIVE: &str = "vestibule_streams_active";
/// Newcomers who wait.
pub(crate) const QUEUE_WAITING: &str = "vestibule_queue_waiting";
/// Newcomers who waited, and left the queue.
pub(crate) const QUEUE_LEFT: &str = "vestibule_queue_left_total";
/// Lookups of sessions, by place.
pub(crate) const LOOKUPS: &str = "vestibule_session_lookups_total";
/// Storage operations.
pub(crate) const STORAGE: &str = "vestibule_storage_operations_total";
/// Durations of storage operations.
pub(crate) const STORAGE_DURATION: &str = "vestibule_storage_operation_duration_seconds";
/// Requests decided by the decision cache.
pub(crate) const DECISIONS_REPEATED: &str = "vestibule_decisions_repeated_total";
/// Requests served from a stale copy that is being read again.
pub(crate) const STALE_READS: &str = "vestibule_stale_reads_total";
/// Writes replaced by a later one.
pub(crate) const WRITES_COALESCED: &str = "vestibule_writes_coalesced_total";
/// Writes that failed for good.
pub(crate) const WRITES_LOST: &str = "vestibule_writes_lost_total";
/// Requests with a possibly outdated session.
pub(crate) const DEGRADED: &str = "vestibule_degraded_total";
/// Sign-ins.
pub(crate) const LOGINS: &str = "vestibule_logins_total";
/// Refused requests.
pub(crate) const REFUSED: &str = "vestibule_refused_total";
/// Client headers that were dropped.
pub(crate) const HEADERS_DROPPED: &str = "vestibule_request_headers_dropped_total";
/// Log events other than requests.
pub(crate) const EVENTS: &str = "vestibule_events_total";
/// Version of the document in force.
pub(crate) const CONFIG: &str = "vestibule_config_info";
/// Documents that were refused.
pub(crate) const CONFIG_ERRORS: &str = "vestibule_config_errors_total";
/// Time of the last refused document.
pub(crate) const CONFIG_LAST_ERROR: &str = "vestibule_config_last_error_timestamp_seconds";
/// Running release.
pub(crate) const BUILD: &str = "vestibule_build_info";
/// Wasm memory of all isolates.
pub(crate) const WASM_MEMORY: &str = "vestibule_wasm_memory_bytes";
/// Wasm memory of the isolate with most.
pub(crate) const WASM_MEMORY_MAX: &str = "vestibule_wasm_memory_max_bytes";
/// Batches that were counted.
pub(crate) const BATCHES: &str = "vestibule_telemetry_batches_total";
/// Batches that were given up.
pub(crate) const BATCHES_LOST: &str = "vestibule_telemetry_batches_lost_total";
/// Counts added to the series [`OTHER`](super::series::OTHER).
pub(crate) const FOLDED: &str = "vestibule_telemetry_series_folded_total";
/// Log lines that were dropped.
pub(crate) const LINES_DROPPED: &str = "vestibule_telemetry_lines_dropped_total";
/// Exported and dropped spans.
pub(crate) const SPANS: &str = "vestibule_telemetry_spans_total";
/// Time of the last batch.
pub(crate) const LAST_BATCH: &str = "vestibule_telemetry_last_batch_timestamp_seconds";
/// Isolates with a recent report.
pub(crate) const ISOLATES: &str = "vestibule_telemetry_isolates";

/// All metrics, in the order of the page.
pub(crate) const ALL: &[Metric] = &[
    counter(
        REQUESTS,
        &["tenant", "method", "status"],
        "Requests answered, by an origin or by the gateway itself.",
    ),
    histogram(
        DURATION,
        &["tenant", "part"],
        "Time to the first byte of the answer: spent in the gateway (edge: storage and sign-in, because a Worker's clock stops while it computes) and waiting for the origin (origin).",
    ),
    histogram(
        SERVER_DURATION,
        &["tenant", "method", "status", "route"],
        "Time from a request to the headers of its answer, the origin's part included; route is a pattern of the tenant's, or _other, _session (reserved paths) or _none (refused before).",
    ),
    counter(
        ORIGIN_REQUESTS,
        &["tenant", "origin", "release", "status"],
        "Requests an origin answered, by class of status; release is empty for the usual one.",
    ),
    histogram(
        ORIGIN_DURATION,
        &["tenant", "origin", "release"],
        "Time to the first byte of an origin's answer.",
    ),
    counter(
        ORIGIN_FAILURES,
        &["tenant", "origin", "reason"],
        "Requests an origin did not answer.",
    ),
    counter(
        ORIGIN_EJECTIONS,
        &["tenant", "origin", "reason"],
        "Ejections of an origin by isolates.",
    ),
    gauge(
        ORIGIN_IN_FLIGHT,
        &["tenant", "origin"],
        "Requests without an answer yet, and the streams and sockets that are followed.",
    ),
    gauge(
        ORIGIN_CONNECTIONS,
        &["tenant", "origin", "kind"],
        "Open sockets and event streams that are followed (websocket, sse), and an estimate of the open sockets that pass through (passed_through).",
    ),
    gauge(
        ORIGIN_LOAD,
        &["tenant", "origin"],
        "Load that an origin last reported; 1 is full.",
    ),
    gauge(
        ORIGIN_EJECTED,
        &["tenant", "origin"],
        "Isolates that have ejected an origin.",
    ),
    counter(
        ORIGIN_LIST_READS,
        &["tenant", "list", "result"],
        "Reads of lists of servers, by result: ok or error.",
    ),
    counter(
        SESSIONS_CREATED,
        &["tenant", "kind"],
        "Sessions that began as a guest's, and sign-ins; a guest who signs in counts under each.",
    ),
    counter(
        SESSIONS_ENDED,
        &["tenant", "reason"],
        "Sessions that were ended one by one, or presented after their time.",
    ),
    gauge(
        SESSIONS_ACTIVE,
        &["tenant"],
        "Sessions in use within the last five minutes: exact below 1024, beyond that estimated within 3 %; a visitor's first request, which may be a bot's only one, does not count.",
    ),
    gauge(
        SESSIONS_STORED,
        &["tenant"],
        "Stored sessions of a tenant whose number is limited, as counted within the last minute.",
    ),
    gauge(
        STREAMS_ACTIVE,
        &["tenant", "kind"],
        "Sockets and streams that are followed and open.",
    ),
    gauge(
        QUEUE_WAITING,
        &["tenant"],
        "New visitors who wait in order while all servers are full.",
    ),
    counter(
        QUEUE_LEFT,
        &["tenant", "reason"],
        "New visitors who waited: admitted, or given up because they did not ask again.",
    ),
    counter(
        LOOKUPS,
        &["tenant", "outcome"],
        "Where sessions were found: guest (in the cookie), hit and stale (in the isolate), miss (in KV), object; or none, forged, over.",
    ),
    counter(
        STORAGE,
        &["kind", "result"],
        "Storage operations, object calls and provider requests.",
    ),
    histogram(
        STORAGE_DURATION,
        &["kind"],
        "Duration of storage operations, object calls and provider requests.",
    ),
    counter(
        DECISIONS_REPEATED,
        &["tenant"],
        "Requests decided by the decision cache.",
    ),
    counter(
        STALE_READS,
        &["tenant"],
        "Requests served from a copy older than the cache period while it was read anew.",
    ),
    counter(
        WRITES_COALESCED,
        &[],
        "Writes to KV that a later one to the same key replaced while they waited.",
    ),
    counter(WRITES_LOST, &[], "Writes to KV that failed for good."),
    counter(
        DEGRADED,
        &["tenant"],
        "Requests whose session may have been out of date.",
    ),
    counter(
        LOGINS,
        &["tenant", "method", "result"],
        "Attempted sign-ins.",
    ),
    counter(
        REFUSED,
        &["tenant", "reason"],
        "Requests that were answered with a problem, by its code.",
    ),
    counter(
        HEADERS_DROPPED,
        &["tenant", "kind"],
        "Headers that clients sent and servers might have believed, and that were dropped: docs/reference/dropped-headers.md.",
    ),
    counter(
        EVENTS,
        &["tenant", "event"],
        "Log events other than requests, at any log level.",
    ),
    gauge(
        CONFIG,
        &["tenant", "version"],
        "Isolates that use this version of a tenant's document: the beginning of its SHA-256.",
    ),
    counter(
        CONFIG_ERRORS,
        &["tenant"],
        "Refusals of a tenant's document by isolates.",
    ),
    gauge(
        CONFIG_LAST_ERROR,
        &["tenant"],
        "Time of the last refusal of a tenant's document.",
    ),
    gauge(BUILD, &["version"], "How many isolates run this release."),
    gauge(
        WASM_MEMORY,
        &["module"],
        "Memory of wasm instances, of all isolates together: core, and argon2 in isolates that hashed passwords. It never shrinks; JavaScript's heap is not in it.",
    ),
    gauge(
        WASM_MEMORY_MAX,
        &["module"],
        "The same, of the isolate with most; an isolate has 128 MB for everything.",
    ),
    counter(BATCHES, &[], "Batches taken in from isolates."),
    counter(
        BATCHES_LOST,
        &[],
        "Batches that isolates dropped, because no delivery succeeded.",
    ),
    counter(
        FOLDED,
        &[],
        "Counts added to a series of others, because there are too many series.",
    ),
    counter(
        LINES_DROPPED,
        &[],
        "Log lines that were not kept for the console.",
    ),
    counter(
        SPANS,
        &["result"],
        "Spans exported, dropped before, and lost on the way.",
    ),
    gauge(LAST_BATCH, &[], "When the last batch was taken in."),
    gauge(
        ISOLATES,
        &[],
        "Isolates that reported within the last minute.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_lists_every_metric() {
        let page = include_str!("../../docs/reference/metrics.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
        let mut listed: Vec<(&str, &str)> = rows
            .filter_map(|row| {
                let (name, rest) = row.split_once("` | ")?;
                Some((name, rest.split_once(" |")?.0))
            })
            .collect();
        listed.sort_unstable();
        let mut own: Vec<(&str, &str)> = ALL
            .iter()
            .map(|metric| {
                let kind = match metric.kind {
                    Kind::Counter => "counter",
                    Kind::Gauge => "gauge",
                    Kind::Histogram => "histogram",
                };
                (metric.name, kind)
            })
            .collect();
        own.sort_unstable();
        assert_eq!(listed, own);
    }

    #[test]
    fn names_follow_prometheus_conventions() {
        for metric in ALL {
            let name = metric.name;
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
            assert_eq!(
                name.ends_with("_total"),
                metric.kind == Kind::Counter,
                "{name}"
            );
            assert_eq!(
                name.ends_with("_duration_seconds"),
                metric.kind == Kind::Histogram,
                "{name}"
            );
            assert!(metric.help.ends_with('.'), "{name}");
            assert_eq!(
                ALL.iter().filter(|other| other.name == name).count(),
                1,
                "{name}"
            );
        }
    }
}
