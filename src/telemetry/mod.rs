//! What is told of the gateway's work: log lines, metrics, traces.

pub mod batch;
pub mod collection;
pub mod counting;
pub mod distinct;
pub mod exposition;
pub mod facts;
pub mod gauge;
pub mod log;
pub mod metric;
pub mod otlp;
pub mod reporter;
pub mod series;
