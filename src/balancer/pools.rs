//! Decides which of a tenant's pools answers a request.
//!
//! Origins that list the same paths form a pool, which answers the requests below these. All other requests go to the
//! default pool, which holds the conversations: new sessions are drawn for it, and pins name its origins.

use core::ptr;

use super::path_prefix::PathPrefix;
use super::pool::{Origin, Pool};
use crate::shared_text::SharedText;

/// Pools of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pools {
    /// Pool of all paths that no other pool has.
    pub default: Pool,
    by_path: Vec<PathPool>,
}

/// Pool of some paths.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PathPool {
    prefixes: Vec<PathPrefix>,
    pool: Pool,
}

impl Pools {
    /// Groups origins by their paths. Returns `None` for duplicate names, or if all origins have paths.
    #[must_use]
    pub(crate) fn new(origins: Vec<Origin>) -> Option<Self> {
        let mut default = Vec::new();
        let mut groups: Vec<Vec<Origin>> = Vec::new();
        for origin in origins {
            if origin.paths.is_empty() {
                default.push(origin);
                continue;
            }
            let own = groups.iter_mut().find(|group| {
                let mut group = group.iter();
                group.any(|other| are_equal(&other.paths, &origin.paths))
            });
            match own {
                Some(group) => group.push(origin),
                None => groups.push(vec![origin]),
            }
        }
        let by_path = groups.into_iter().map(|origins| {
            Some(PathPool {
                prefixes: origins.first()?.paths.clone(),
                pool: Pool::new(origins)?,
            })
        });
        Some(Self {
            default: Pool::new(default)?,
            by_path: by_path.collect::<Option<_>>()?,
        })
    }

    /// Returns the pools with other origins in place of some: `replace` adds those for one. Of origins with the same name
    /// the first is kept.
    #[must_use]
    pub(crate) fn replaced(&self, replace: &dyn Fn(&Origin, &mut Vec<Origin>)) -> Self {
        let mut names: Vec<SharedText> = Vec::new();
        let mut replaced = |pool: &Pool| {
            let mut origins = Vec::new();
            pool.iter().for_each(|origin| replace(origin, &mut origins));
            origins.retain(|origin| {
                let is_new = !names.contains(&origin.name);
                if is_new {
                    names.push(origin.name.clone());
                }
                is_new
            });
            Pool::with(origins)
        };
        Self {
            default: replaced(&self.default),
            by_path: self
                .by_path
                .iter()
                .map(|own| PathPool {
                    prefixes: own.prefixes.clone(),
                    pool: replaced(&own.pool),
                })
                .collect(),
        }
    }

    /// Returns whether the default pool answers all requests.
    #[must_use]
    pub(crate) fn is_one(&self) -> bool {
        self.by_path.is_empty()
    }

    /// Returns the pool of a path, if it is not the default one: that of the longest prefix.
    #[must_use]
    pub(crate) fn at(&self, path: &str) -> Option<&Pool> {
        let mut longest: Option<(usize, &Pool)> = None;
        for PathPool { prefixes, pool } in &self.by_path {
            for prefix in prefixes.iter().filter(|prefix| prefix.holds(path)) {
                let length = prefix.as_str().len();
                if longest.is_none_or(|(other, _)| length > other) {
                    longest = Some((length, pool));
                }
            }
        }
        longest.map(|(_, pool)| pool)
    }

    /// Returns whether one pool answers both paths.
    #[must_use]
    pub(crate) fn share(&self, path: &str, other: &str) -> bool {
        let of = |path| ptr::from_ref(self.at(path).unwrap_or(&self.default));
        of(path) == of(other)
    }

    /// Returns the pool of an origin.
    #[must_use]
    pub(crate) fn of_origin(&self, origin: &Origin) -> &Pool {
        let first = origin.paths.first();
        let own = first.and_then(|prefix| self.at(prefix.as_str()));
        own.unwrap_or(&self.default)
    }

    /// Iterates over the origins of all pools.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &Origin> {
        let others = self.by_path.iter().flat_map(|own| own.pool.iter());
        self.default.iter().chain(others)
    }

    /// Finds an origin of any pool by name.
    #[must_use]
    pub(crate) fn named(&self, name: &str) -> Option<&Origin> {
        self.origins().find(|origin| origin.name == name)
    }
}

/// Returns whether two lists without duplicates hold the same prefixes, in any order.
#[must_use]
pub(crate) fn are_equal(one: &[PathPrefix], other: &[PathPrefix]) -> bool {
    one.len() == other.len() && one.iter().all(|prefix| other.contains(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::pool::{Base, OriginName};

    fn pools(origins: &[(&str, &[&str])]) -> Option<Pools> {
        let origin = |(name, paths): &(&str, &[&str])| {
            let base = Base::parse(&format!("http://{name}")).unwrap();
            let prefixes = paths.iter().map(|path| PathPrefix::parse(path).unwrap());
            let mut origin = Origin::new(OriginName::parse(name).unwrap(), base);
            origin.paths = prefixes.collect();
            origin
        };
        Pools::new(origins.iter().map(origin).collect())
    }

    fn names<'p>(origins: impl Iterator<Item = &'p Origin>) -> String {
        origins.map(|origin| origin.name.as_str()).collect()
    }

    #[test]
    fn longest_prefix_names_the_pool() {
        let pools = pools(&[
            ("w", &[]),
            ("a", &["/api", "/v1"]),
            ("x", &["/api/files"]),
            ("b", &["/v1", "/api"]),
            ("v", &[]),
        ])
        .unwrap();
        for (path, expected) in [
            ("/api", "ab"),
            ("/api/files", "x"),
            ("/api/files/1", "x"),
            ("/api/filesystem", "ab"),
            ("/v1/chat", "ab"),
            ("/v10", "wv"),
            ("/", "wv"),
        ] {
            let pool = pools.at(path).unwrap_or(&pools.default);
            assert_eq!(names(pool.iter()), expected, "{path}");
        }
        assert_eq!(names(pools.origins()), "wvabx");
        for origin in pools.origins() {
            let own = pools.of_origin(origin);
            assert!(own.iter().any(|one| one == origin), "{}", origin.name);
        }
        assert!(pools.share("/api/1", "/v1") && !pools.share("/api/1", "/api/files"));
        assert!(pools.share("/", "/else") && !pools.share("/", "/v1"));
        assert!(!pools.is_one());
    }

    #[test]
    fn tenant_without_paths_has_one_pool() {
        let pools = pools(&[("a", &[]), ("b", &[])]).unwrap();
        assert!(pools.is_one() && pools.at("/api").is_none());
    }

    #[test]
    fn default_pool_is_required() {
        assert_eq!(pools(&[("a", &["/api"])]), None);
        assert_eq!(pools(&[]), None);
    }
}
