//! Defines active health checks. Every minute Vestibule requests the health path of each origin that has one, and
//! sends the result to the tenant's pool object.

use super::message::Command;
use crate::tenant_id::TenantId;

/// Maximum time for an origin's response, in milliseconds.
pub(crate) const DEADLINE_MS: u32 = 5_000;

/// Health check to perform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HealthCheck {
    /// Tenant of the origin.
    pub tenant: TenantId,
    /// Name of the origin.
    pub origin: String,
    /// URL to get; any successful status means that the origin is ready.
    pub url: String,
}

impl HealthCheck {
    /// Returns the command that reports the result to the tenant's pool object: see
    /// [`PoolAggregate::apply`](super::pool_aggregate::PoolAggregate::apply).
    #[must_use]
    pub(crate) fn command(&self, is_ready: bool) -> String {
        let origin = self.origin.clone();
        let command = Command::Checked {
            origin,
            ready: is_ready,
        };
        command.to_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::pool_aggregate::PoolAggregate;
    use crate::clock::UnixMillis;

    #[test]
    fn pool_object_parses_health_check_results() {
        let check = HealthCheck {
            tenant: TenantId::parse("acme").unwrap(),
            origin: "a".to_owned(),
            url: "http://a:1/ready".to_owned(),
        };
        let mut aggregate = PoolAggregate::default();
        let mut answer = |is_ready| {
            let command = check.command(is_ready);
            let result = aggregate.apply(&command, None, UnixMillis(1_700_000_000_000));
            result.unwrap().answer
        };
        assert!(answer(false).contains(r#""origins":[["a","#));
        assert!(answer(true).contains(r#""origins":[]"#));
    }
}
