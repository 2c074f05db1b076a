//! Converts the chat servers of a document into pools, and finds the pool of a path.

use super::faults::Faults;
use super::{Tenant, services};
use crate::balancer::path_prefix::PathPrefix;
use crate::balancer::pool::Origin;
use crate::balancer::pools::{Pools, are_equal};
use crate::balancer::releases::rules::ReleaseRule;
use crate::config::model::OriginEntry;
use crate::http::path::{self, PathClass};
use crate::secrets::Secrets;
use crate::tenant_id::TenantId;

/// Maximum number of paths of an origin: each request is compared with all.
const MAX_PATHS: usize = 32;

impl Tenant {
    /// Returns whether all readers of a path find it in the same pool: both its escaped and its resolved spelling.
    #[must_use]
    pub(crate) fn has_one_pool_at(&self, path: &str) -> bool {
        self.pools.is_one()
            || path::resolved(path).is_none_or(|resolved| self.pools.share(path, &resolved))
    }
}

/// Converts the origins of a tenant.
pub(super) fn pools(
    entries: &[OriginEntry],
    rules: &[ReleaseRule],
    (id, secrets): (&TenantId, &Secrets),
    faults: &mut Faults,
) -> Option<Pools> {
    let reserved = secrets.prefix();
    let mut origins: Vec<Origin> = entries.iter().map(origin_of).collect();
    for (at, origin) in origins.iter_mut().enumerate() {
        services::resolve(origin, &format!("origins[{at}]"), (id, secrets), faults);
    }
    for (at, origin) in origins.iter().enumerate() {
        let mut earlier = origins.iter().take(at);
        if earlier.clone().any(|other| other.name == origin.name) {
            let name = &origin.name;
            faults.add(
                &format!("origins[{at}]"),
                format!("two origins are named {name:?}"),
            );
        }
        if origin.paths.is_empty() {
            continue;
        }
        let is_foreign = |prefix: &&PathPrefix| {
            earlier.any(|other| {
                other.paths.contains(prefix) && !are_equal(&other.paths, &origin.paths)
            })
        };
        let place = format!("origins[{at}].paths");
        if let Some(prefix) = origin.paths.iter().find(is_foreign) {
            let problem = format!(
                "{} belongs to other origins, too; origins that share a path must list the same paths",
                prefix.as_str()
            );
            faults.add(&place, problem);
        }
        for prefix in &origin.paths {
            if path::classify(prefix.as_str(), reserved) != PathClass::Origin {
                let problem = format!("{} is reserved", prefix.as_str());
                faults.add(&place, problem);
            }
        }
        if origin.paths.len() > MAX_PATHS {
            faults.add(&place, "use up to 32 paths");
        }
        if origin.capacity.is_some() {
            let problem = "it limits new sessions, which only origins without paths get; remove it";
            faults.add(&format!("origins[{at}].capacity"), problem);
        }
        let is_gray = |release: &String| {
            let names = |rule: &ReleaseRule| !rule.is_off && rule.release == *release;
            let mut default = origins.iter().filter(|origin| origin.paths.is_empty());
            rules.iter().any(names)
                && !default.any(|origin| origin.release.as_ref() == Some(release))
        };
        if origin.release.as_ref().is_some_and(is_gray) {
            let problem = "no origin without paths runs this release, so no session begins in it";
            faults.add(&format!("origins[{at}].release"), problem);
        }
    }
    if origins.iter().all(|origin| !origin.paths.is_empty()) {
        let problem = "all have paths; add one without, which gets all other requests";
        faults.add("origins", problem);
    }
    Pools::new(origins)
}

fn origin_of(entry: &OriginEntry) -> Origin {
    let name = entry.name.clone().unwrap_or_else(|| entry.url.to_name());
    let mut origin = Origin::new(name, entry.url.clone());
    origin.weight = entry.weight.0;
    origin.state = entry.state;
    origin.capacity = (entry.capacity > 0).then_some(entry.capacity);
    origin.release = entry.release.as_ref().map(|name| name.0.clone());
    origin.health_path = entry.health_path.as_ref().map(ToString::to_string);
    origin.since = entry.since.map(|date| date.0).unwrap_or_default();
    for prefix in &entry.paths {
        if !origin.paths.contains(prefix) {
            origin.paths.push(prefix.clone());
        }
    }
    origin
}
