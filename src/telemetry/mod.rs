//! What is told of the gateway's work: log lines, metrics, traces.

pub(crate) mod batch;
pub(crate) mod collection;
pub(crate) mod counting;
pub(crate) mod distinct;
pub(crate) mod exposition;
pub(crate) mod facts;
pub(crate) mod gauge;
pub(crate) mod log;
pub(crate) mod metric;
pub(crate) mod otlp;
pub(crate) mod reporter;
pub(crate) mod series;
