//! Active health checks: every minute each origin that has a health path is asked whether it is ready, and the tenant's
//! pool object gets the result.

use super::message::Command;
use crate::tenant_id::TenantId;

/// Time that an origin has to say that it is ready, in milliseconds.
pub(crate) const DEADLINE_MS: u32 = 5_000;

/// A check to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HealthCheck {
    /// Whose origin it is.
    pub tenant: TenantId,
    /// The origin's name.
    pub origin: String,
    /// What to get; any status of success says that it is ready.
    pub url: String,
}

impl HealthCheck {
    /// Returns the command for the tenant's pool object: see
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
        let mut told = |is_ready| {
            let command = check.command(is_ready);
            let result = aggregate.apply(&command, None, UnixMillis(1_700_000_000_000));
            result.unwrap().answer
        };
        assert!(told(false).contains(r#""origins":[["a","#));
        assert!(told(true).contains(r#""origins":[]"#));
    }
}
