//! Values laid over each other.

use serde_json::Value;

use crate::encoding::object;

/// Lays `above` over `below`: objects member by member, everything else as a whole. `null` says
/// nothing.
pub(super) fn lay_over(below: &mut Value, above: &Value) {
    match (below, above) {
        (_, Value::Null) => {}
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                lay_over(below.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above.clone(),
    }
}

/// An object with one value at a path.
pub(super) fn at(path: &str, value: Value) -> Value {
    path.rsplit('.')
        .fold(value, |value, name| Value::Object(object([(name, value)])))
}
