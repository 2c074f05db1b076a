//! Records a request in the log, the metrics and traces.

use super::parts::Recorder;
use chacha20::rand_core::Rng as _;

use super::Gateway;
use crate::effect::Seed;
use crate::http::request::Request;
use crate::policy::LogLevel;
use crate::span_id::{SpanId, TraceId};
use crate::telemetry::event_metrics;
use crate::telemetry::labels::{RequestLabels, Route, method_label};
use crate::telemetry::log::{Event, Level};
use crate::telemetry::series::Series;
use crate::upstream::trace_context::Trace;

impl Recorder {
    /// Takes the labels of the last decided request.
    pub(crate) fn take_labels(&mut self) -> RequestLabels {
        core::mem::take(&mut self.labels)
    }

    /// Takes the counts since the last call.
    pub(crate) fn take_series(&mut self) -> Series {
        core::mem::take(&mut self.series)
    }

    /// Takes the events to log since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }

    /// Returns the labels of a new request.
    pub(crate) fn labels_of(
        &self,
        request: &Request<'_>,
        trace: &Trace<'_>,
        seed: Seed,
    ) -> RequestLabels {
        RequestLabels {
            seed,
            trace_id: TraceId::parse(trace.id()).unwrap_or_default(),
            span_id: Some(trace.span),
            parent_id: SpanId::parse(trace.caller),
            method: method_label(request.method),
            sampled: trace.is_sampled,
            ..self.common.clone()
        }
    }

    /// Returns the route of an origin's path.
    pub(super) fn route_of(&self, path: &str) -> Route {
        let mut routes = self.tenant.routes.iter();
        let route = routes.find(|route| route.matches(path));
        route.map_or(Route::Other, |route| Route::Pattern(route.text()))
    }

    /// Appends the [flags](RequestLabels::push_flags) of a request whose decision comes from the decision cache, and
    /// whose trace is not sampled.
    pub(crate) fn push_unsampled_flags(&self, text: &mut String) {
        self.common.push_flags(text);
    }

    pub(crate) fn emit(&mut self, event: Event) {
        let event = event
            .of(&self.tenant.id)
            .during(self.labels.trace_id.as_str());
        event_metrics::count(&mut self.series, &event);
        if let Some((method, result)) = event_metrics::sign_in_of(&event) {
            self.labels.sign_in = Some((method.to_owned(), result));
        }
        let level = match event.level() {
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        if level >= self.tenant.telemetry.log {
            self.events.push(event);
        }
    }
}

impl Gateway {
    /// Draws the seed of a new trace.
    pub(crate) fn draw_seed(&mut self) -> Seed {
        let mut seed = Seed::default();
        self.random.fill_bytes(&mut seed);
        seed
    }

    /// Draws a trace for a request with a cached decision. Returns its seed, too.
    pub(crate) fn draw_trace(&mut self) -> (Trace<'static>, Seed) {
        let seed = self.draw_seed();
        (
            Trace::follow(None, None, &seed, self.tenant.telemetry.sampling),
            seed,
        )
    }
}
