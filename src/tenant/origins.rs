//! Converts the chat servers of a document into pools, and finds the pool of a path.

use serde_json::Value;

use super::faults::Faults;
use super::{Consistency, Tenant, services};
use crate::balancer::discovery;
use crate::balancer::origin_lists::{ListView, Phase};
use crate::balancer::path_prefix::PathPrefix;
use crate::balancer::pool::{Origin, OriginState};
use crate::balancer::pools::{Pools, are_equal};
use crate::balancer::releases::rules::ReleaseRule;
use crate::clock::UnixSeconds;
use crate::config::Reader;
use crate::config::model::{Document, OriginEntry};
use crate::encoding::json;
use crate::http::path::{self, PathClass};
use crate::secrets::Secrets;
use crate::shared_text::SharedText;
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

    /// Returns the pools with the servers of the lists, as the pool object reported them. A server has the settings of
    /// the list's entry where its own entry sets none.
    #[must_use]
    pub(crate) fn found_pools(&self, lists: &Value) -> Pools {
        self.pools.replaced(&|origin, found| {
            if !discovery::is_list(&origin.base) {
                found.push(origin.clone());
            } else if let Some(list) = ListView::of(lists, &origin.base) {
                for server in list.servers() {
                    let entry: Result<OriginEntry, _> = Reader::read(server.entry);
                    // An operator's own origin is not replaced.
                    let is_fixed = self.pools.named(server.name).is_some();
                    let Some(entry) = entry.ok().filter(|_| !is_fixed) else {
                        continue;
                    };
                    let is_own = |member| server.entry.get(member).is_some();
                    let mut one = origin_of(&entry);
                    if !is_own("weight") {
                        one.weight = origin.weight;
                    }
                    if !is_own("capacity") {
                        one.capacity = origin.capacity;
                    }
                    if !is_own("release") {
                        one.release.clone_from(&origin.release);
                    }
                    if !is_own("health_path") {
                        one.health_path.clone_from(&origin.health_path);
                    }
                    if origin.state != OriginState::Active {
                        one.state = origin.state;
                    }
                    match server.phase {
                        Phase::Listed => {}
                        Phase::Draining if one.state == OriginState::Down => {}
                        Phase::Draining => one.state = OriginState::Drain,
                        Phase::Gone => {
                            one.state = OriginState::Down;
                            // Another server may have its address by now.
                            one.health_path = None;
                        }
                    }
                    one.since = origin.since.max(UnixSeconds(server.since));
                    one.paths.clone_from(&origin.paths);
                    found.push(one);
                }
            }
        })
    }
}

/// Returns what isolates ask the pool object for: the lists of a document's origins. Null without a list.
pub(super) fn lists(document: &Document, faults: &mut Faults) -> Value {
    let routing = &document.routing;
    let (refresh, drain) = (routing.list_refresh, routing.list_drain);
    if !(2..=3_600).contains(&refresh.0) {
        faults.add("routing.list_refresh", "use 2s to 1h");
    }
    if drain.0 > 86_400 {
        faults.add("routing.list_drain", "use at most 24h");
    }
    let mut sources = Vec::new();
    for (at, entry) in document.origins.0.iter().enumerate() {
        let base = entry.url.as_str();
        if !discovery::is_list(base) {
            continue;
        }
        if document.session.consistency == Consistency::Eventual {
            let problem = "Durable Objects read lists of servers; use session.consistency strong, or list the servers themselves";
            faults.add(&format!("origins[{at}].url"), problem);
        }
        sources.push(base);
    }
    if sources.is_empty() {
        return Value::Null;
    }
    if sources.len() > MAX_LISTS {
        faults.add("origins", "use up to 8 lists");
    }
    json!({
        "sources": sources,
        "refresh": refresh.0,
        "drain": drain.0,
        "resolver": routing.dns_resolver.0,
    })
}

/// Maximum number of lists: the pool object reads all of them.
const MAX_LISTS: usize = 8;

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
        let is_gray = |release: &SharedText| {
            let names = |rule: &ReleaseRule| !rule.is_off && *release == *rule.release;
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
    origin.release = entry.release.as_ref().map(|name| name.0.as_str().into());
    origin.health_path = entry.health_path.as_ref().map(ToString::to_string);
    origin.since = entry.since.map(|date| date.0).unwrap_or_default();
    for prefix in &entry.paths {
        if !origin.paths.contains(prefix) {
            origin.paths.push(prefix.clone());
        }
    }
    origin
}
