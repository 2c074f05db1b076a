//! Which origin a conversation belongs to.

pub mod canary;
pub mod gathering;
pub mod health;
pub mod health_check;
pub mod load;
pub mod message;
pub mod pool;
pub mod probe;
pub mod shared;

#[cfg(test)]
mod tests;
