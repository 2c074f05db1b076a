//! Reports this isolate's counts to the telemetry object, an OpenTelemetry collector and Analytics Engine. No request
//! waits for a report. [`telemetry::reporter`](crate::telemetry) decides when to report.

use core::cell::{Cell, RefCell};

use futures_util::future::join;
use js_sys::{Array, Float64Array, Map, Promise, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::{AnalyticsEngineDataPointBuilder, Env};

use super::io::fetch;
use super::log::report;
use super::runtime::{self, Counted, InFlight, RequestTrace, TraceStage};
use super::timing::{sleep, within};
use super::{counters, futures, io, millis, objects, service, with_ready};
use crate::balancer::load::Activity;
use crate::effect::Class;
use crate::telemetry::batch::RequestCount;
use crate::telemetry::gauge::Milli;
use crate::telemetry::histogram::Bounds;
use crate::telemetry::reporter::{Reporter, WINDOW_LOST_AFTER_MS, interval};
use crate::telemetry::{metric, otlp};

/// Maximum number of data points that one invocation may write.
const MAX_DATA_POINTS: usize = 250;

/// Maximum number of exported traces, and of failed requests' traces in addition: sampled traces displace no failed
/// ones.
const MAX_TRACES: u32 = 200;

/// Maximum time of the telemetry object and of the collector, in milliseconds.
const DEADLINE_MS: u32 = 5_000;

/// Size of a page of wasm memory, in bytes.
const WASM_PAGE_BYTES: u64 = 65_536;

/// Name of the telemetry object.
const OBJECT: &str = "telemetry";

thread_local! {
    static REPORTER: RefCell<Reporter> = RefCell::default();
    /// Whether this instance has taken over the unsent batches of the one before.
    static HAS_TAKEN_OVER: Cell<bool> = const { Cell::new(false) };
}

/// Returns the milliseconds after which an open window counts as lost, and the next request opens another.
#[wasm_bindgen(js_name = windowLostAfter)]
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "half a minute")]
pub fn window_lost_after() -> f64 {
    WINDOW_LOST_AFTER_MS as f64
}

/// Opens a window, and reports all counts when it closes.
#[wasm_bindgen(js_name = reportWindow)]
pub fn report_window(env: Env) -> Promise {
    let opened = io::now();
    REPORTER.with_borrow_mut(|reporter| reporter.open(opened));
    futures::promise(async move {
        let Some(every) = every(&env) else {
            return Ok(JsValue::UNDEFINED);
        };
        while let Some(ms) =
            REPORTER.with_borrow(|reporter| reporter.wait(opened, every, io::now()))
        {
            sleep(ms).await;
            runtime::recorder().write_lines();
        }
        join(report_batch(&env), export_traces(&env)).await;
        Ok(JsValue::UNDEFINED)
    })
}

/// Reports a Durable Object's counts at once, unless a window is open or closed recently.
pub(super) async fn flush_if_idle(env: &Env) {
    let is_idle = REPORTER.with_borrow(|reporter| reporter.is_idle(io::now()));
    if is_idle && every(env).is_some() {
        report_batch(env).await;
    }
}

/// Adds the data plane's counts to the next batch.
#[wasm_bindgen(js_name = takeIn)]
pub fn take_in(counted: &Counted, env: &Env) {
    let kinds: Vec<(String, JsValue)> = entries(&counted.requests()).collect();
    let bounds = Bounds::of_setting(setting(env, "METRICS_BUCKETS").as_deref());
    let requests: Vec<RequestCount<'_>> = kinds
        .iter()
        .filter_map(|(labels, durations)| {
            RequestCount::read(labels, &Float64Array::new(durations).to_vec(), &bounds)
        })
        .collect();
    write_data_points(env, &requests);
    counters::with_batch(|batch| {
        for request in &requests {
            batch.add_requests(request);
        }
        for (session, requests) in entries(&counted.sessions()) {
            batch.see_session(&session, requests.as_f64().unwrap_or_default());
        }
        for (series, number) in entries(&counted.numbers()) {
            batch.add_number(&series, number.as_f64().unwrap_or_default());
        }
    });
}

/// Returns the entries of a map with text keys.
fn entries(map: &Map) -> impl Iterator<Item = (String, JsValue)> {
    Array::from(map).into_iter().map(|entry| {
        let entry: Array = entry.unchecked_into();
        (entry.get(0).as_string().unwrap_or_default(), entry.get(1))
    })
}

/// Records the requests in flight at origins.
#[wasm_bindgen]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates"
)]
pub fn observe(in_flight: Vec<InFlight>) {
    let seen: Vec<_> = in_flight
        .into_iter()
        .map(|seen| {
            let activity = Activity {
                under_way: seen.under_way(),
                first_byte_ms: seen.first_byte_ms().round() as u32,
                opened: seen.opened(),
            };
            (seen.place(), activity)
        })
        .collect();
    with_ready(|router| {
        for (place, activity) in seen {
            router.observe(&place, activity, io::now());
        }
    });
}

fn setting(env: &Env, name: &str) -> Option<String> {
    env.var(name).ok().map(|value| value.to_string())
}

fn every(env: &Env) -> Option<u64> {
    interval(setting(env, "TELEMETRY_EVERY").as_deref())
}

async fn report_batch(env: &Env) {
    let now = io::now();
    REPORTER.with_borrow_mut(|reporter| reporter.begin(now));
    let recorder = runtime::recorder();
    observe(recorder.in_flight());
    take_in(&recorder.take_counted(), env);
    for line in recorder.take_lines() {
        counters::with_batch(|batch| batch.show_line(&line));
    }
    counters::with_batch(|batch| {
        let own = core::arch::wasm32::memory_size::<0>() as u64 * WASM_PAGE_BYTES;
        for (module, bytes) in [("core", Some(own)), ("argon2", io::password_memory())] {
            let Some(bytes) = bytes else { continue };
            for name in [metric::WASM_MEMORY, metric::WASM_MEMORY_MAX] {
                batch.set_gauge(name, module.to_owned(), Milli::of(bytes));
            }
        }
    });
    let batch = counters::take();
    let command = with_ready(|router| {
        router.take_in(batch);
        router.take_batch(now)
    });
    if !HAS_TAKEN_OVER.replace(true) {
        let batches = recorder.batches();
        let left: Vec<JsValue> = Array::from(&batches.values()).to_vec();
        batches.clear();
        for command in left.iter().filter_map(JsValue::as_string) {
            queue_batch(command);
        }
    }
    if let Some(command) = command.filter(|command| !command.is_empty()) {
        queue_batch(command);
    }
    send_batches(env).await;
}

/// Queues a batch, and stores it outside the instance until it is acknowledged.
fn queue_batch(command: String) {
    let batches = runtime::recorder().batches();
    let (number, dropped) = REPORTER.with_borrow_mut(|reporter| reporter.queue(command.clone()));
    batches.set(&batch_key(number), &command.into());
    for number in &dropped {
        batches.delete(&batch_key(*number));
    }
    counters::count(metric::BATCHES_LOST, &[], dropped.len() as u64);
}

/// Returns the key of a batch outside the instance.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn batch_key(number: u64) -> JsValue {
    JsValue::from_f64(number as f64)
}

async fn send_batches(env: &Env) {
    while let Some((number, command)) = REPORTER.with_borrow(Reporter::next_unsent) {
        let answer = match send(env, &command).await {
            Ok(answer) => answer,
            Err(error) => return report("telemetry_not_taken", &error),
        };
        let acknowledged =
            REPORTER.with_borrow_mut(|reporter| reporter.acknowledge(number, &answer));
        match acknowledged {
            Some(is_watched) => {
                let recorder = runtime::recorder();
                recorder.set_watched(is_watched);
                recorder.batches().delete(&batch_key(number));
            }
            None => return report("telemetry_not_taken", "not JSON"),
        }
    }
}

/// Sends a batch to the telemetry object, and returns its answer.
async fn send(env: &Env, command: &str) -> Result<Vec<u8>, worker::Error> {
    let call = objects::call(env, Class::Telemetry, OBJECT, command);
    let answer = within(DEADLINE_MS, call).await;
    let answer = answer.map_err(|error| worker::Error::RustError(error.to_string()))??;
    Ok(Uint8Array::new(&answer).to_vec())
}

/// Writes request counts as data points of Analytics Engine, if that is bound: tenant, method, status, origin and
/// number.
fn write_data_points(env: &Env, requests: &[RequestCount<'_>]) {
    let Ok(dataset) = env.analytics_engine("ANALYTICS") else {
        return;
    };
    for request in requests.iter().take(MAX_DATA_POINTS) {
        let (blobs, count) = request.point();
        let [tenant, ..] = blobs;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let point = AnalyticsEngineDataPointBuilder::new()
            .indexes([tenant])
            .blobs(blobs)
            .add_double(count as f64);
        if let Err(error) = point.write_to(&dataset) {
            return report("analytics_not_written", &error);
        }
    }
}

/// Stores the trace of an answered request for the next export.
#[wasm_bindgen(js_name = keepTrace)]
pub fn keep_trace(trace: &RequestTrace) {
    let recorder = runtime::recorder();
    let traces = if trace.status() >= 500 {
        recorder.failed_traces()
    } else {
        recorder.good_traces()
    };
    if traces.length() < MAX_TRACES {
        traces.push(trace.as_ref());
    } else {
        counters::count(metric::SPANS, &["dropped"], 1);
    }
}

/// Exports traces to the OpenTelemetry collector, if one is configured.
async fn export_traces(env: &Env) {
    let recorder = runtime::recorder();
    let kept = [recorder.failed_traces(), recorder.good_traces()];
    let traces: Vec<RequestTrace> = kept
        .iter()
        .flat_map(Array::iter)
        .map(JsValue::unchecked_into)
        .collect();
    for traces in &kept {
        traces.set_length(0);
    }
    let endpoint = setting(env, "OTLP_ENDPOINT").filter(|endpoint| !endpoint.is_empty());
    let Some(endpoint) = endpoint.filter(|_| !traces.is_empty()) else {
        return;
    };
    let requests: Vec<otlp::Request> = traces.iter().map(request).collect();
    let otlp::Export { body, spans } = otlp::export(&requests, &service());
    let result = match post(env, &endpoint, &body).await {
        Ok(response) if response.is_ok() => {
            response.discard().await;
            "sent"
        }
        Ok(response) => {
            report("traces_not_taken", response.status().to_string().as_str());
            response.discard().await;
            "lost"
        }
        Err(error) => {
            report("traces_not_taken", error.to_string().as_str());
            "lost"
        }
    };
    counters::count(metric::SPANS, &[result], spans);
}

async fn post(env: &Env, endpoint: &str, body: &str) -> Result<fetch::Response, fetch::FetchError> {
    let url = otlp::traces_url(endpoint);
    let headers = otlp::headers(&setting(env, "OTLP_HEADERS").unwrap_or_default());
    let mut request = fetch::Request::post(&url, body)
        .header("content-type", "application/json")
        .deadline(DEADLINE_MS);
    for (name, value) in &headers {
        request = request.header(name, value);
    }
    request.send().await
}

/// Converts a request's trace.
fn request(trace: &RequestTrace) -> otlp::Request {
    let at = |time: f64| millis(time).0;
    let is_answered = trace.answered() > 0.0;
    let waited_until = if is_answered {
        trace.answered()
    } else {
        trace.gave_up()
    };
    let stage = |stage: TraceStage| otlp::Stage {
        name: stage.name(),
        begun: at(stage.begun()),
        ended: at(stage.ended()),
        result: stage.result(),
        parent: stage.parent(),
    };
    otlp::Request {
        status: trace.status(),
        begun: at(trace.begun()),
        ended: at(trace.ended()),
        origin: (waited_until > 0.0).then(|| otlp::Wait {
            sent: at(trace.sent()),
            ended: at(waited_until),
            is_answered,
        }),
        scheme: trace.scheme(),
        members: trace.members(),
        stages: trace.stages().into_iter().map(stage).collect(),
    }
}
