//! Records the gateway's work: log lines, metrics, traces.

pub(crate) mod aggregator;
pub(crate) mod batch;
pub(crate) mod busiest;
pub(crate) mod event_metrics;
pub(crate) mod gauge;
pub(crate) mod histogram;
pub(crate) mod kmv_sketch;
pub(crate) mod labels;
pub(crate) mod log;
pub(crate) mod message;
pub(crate) mod metric;
pub(crate) mod otlp;
pub(crate) mod prometheus;
pub(crate) mod reporter;
pub(crate) mod series;
