//! Decides which origin a session belongs to.

pub(crate) mod cluster_view;
pub(crate) mod discovery;
pub(crate) mod health_check;
pub(crate) mod load;
pub(crate) mod message;
pub(crate) mod origin_lists;
pub(crate) mod outlier_detection;
pub(crate) mod path_prefix;
pub(crate) mod pool;
pub(crate) mod pool_aggregate;
pub(crate) mod pools;
pub(crate) mod probe;
pub(crate) mod releases;
pub(crate) mod service;
pub(crate) mod waiting_queue;

#[cfg(test)]
mod tests;
