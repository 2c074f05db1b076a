//! Which origin a conversation belongs to.

pub(crate) mod canary;
pub(crate) mod gathering;
pub(crate) mod health;
pub(crate) mod health_check;
pub(crate) mod load;
pub(crate) mod message;
pub(crate) mod pool;
pub(crate) mod probe;
pub(crate) mod shared;

#[cfg(test)]
mod tests;
