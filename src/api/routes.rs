//! Lists the reserved paths below the prefix with their methods. No other path and method is served.
//!
//! `www/openapi/` describes the same paths; tests compare both ways.

use crate::response::problem::Problem;

/// Paths with the methods that each serves, as in an `Allow` header. A part in braces stands for any name. Of two
/// paths that fit, the first counts.
pub(crate) const ROUTES: [(&str, &str); 42] = [
    ("/healthz", "GET, HEAD"),
    ("/readyz", "GET, HEAD"),
    ("/openapi.json", "GET, HEAD"),
    ("/me", "GET, HEAD"),
    ("/login", "GET, HEAD, POST"),
    ("/callback", "GET"),
    ("/popup", "GET, HEAD, POST"),
    ("/token", "POST"),
    ("/password", "GET, HEAD, POST"),
    ("/jwks.json", "GET, HEAD"),
    ("/logout", "GET, HEAD, POST"),
    ("/signed-out", "GET, HEAD"),
    ("/backchannel-logout", "POST"),
    ("/sessions", "GET, HEAD"),
    ("/sessions/{name}", "DELETE"),
    ("/api/sessions/{name}", "GET, HEAD, PATCH, DELETE"),
    ("/api/sessions/{name}/lease", "POST, DELETE"),
    ("/api/origins/{name}/ready", "POST"),
    ("/api/origins/{name}/unready", "POST"),
    ("/admin/sessions", "GET, HEAD, DELETE"),
    ("/admin/sessions/{name}", "GET, HEAD, DELETE"),
    ("/admin/explain", "POST"),
    ("/admin/origins", "GET, HEAD"),
    ("/admin/origins/{name}/drain", "POST"),
    ("/admin/origins/{name}/undrain", "POST"),
    ("/admin/users", "GET, HEAD"),
    ("/admin/users/{name}", "GET, HEAD, PUT, DELETE"),
    ("/admin/metrics", "GET, HEAD"),
    ("/admin/overview", "GET, HEAD"),
    ("/admin/logs", "GET, HEAD"),
    ("/admin/whoami", "GET, HEAD"),
    ("/admin/sign-in", "POST"),
    ("/admin/sign-out", "POST"),
    ("/admin/tenants", "GET, HEAD"),
    ("/admin/tenants/validate", "POST"),
    ("/admin/tenants/{id}", "GET, HEAD, PUT, DELETE"),
    ("/admin/tenants/{id}/history", "GET, HEAD"),
    ("/admin/tenants/{id}/history/{version}", "GET, HEAD"),
    ("/admin/preview", "POST"),
    ("/console", "GET, HEAD"),
    ("/console/", "GET, HEAD"),
    ("/console/{file}", "GET, HEAD"),
];

/// Checks that a path below the prefix exists and serves the method.
///
/// # Errors
/// Returns [`Problem::NotFound`] or [`Problem::MethodNotAllowed`].
pub(crate) fn check(path: &str, method: &str) -> Result<(), Problem> {
    let (_, methods) = find(path).ok_or(Problem::NotFound)?;
    let is_served = methods.split(", ").any(|one| one == method);
    is_served
        .then_some(())
        .ok_or(Problem::MethodNotAllowed(methods))
}

/// Finds the route of a path.
pub(super) fn find(path: &str) -> Option<(&'static str, &'static str)> {
    ROUTES.into_iter().find(|(route, _)| is_at(route, path))
}

fn is_at(route: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    let is_part = |wanted: &str| {
        let part = parts.next().unwrap_or_default();
        part == wanted || (wanted.starts_with('{') && !part.is_empty())
    };
    route.split('/').all(is_part) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_has_one_route_and_only_its_methods() {
        for (path, method, allowed) in [
            ("/me", "GET", None),
            ("/me", "POST", Some("GET, HEAD")),
            ("/callback", "HEAD", Some("GET")),
            ("/admin/tenants/validate", "POST", None),
            ("/admin/tenants/validate", "PUT", Some("POST")),
            ("/admin/tenants/acme", "PUT", None),
        ] {
            let expected = allowed.map_or(Ok(()), |all| Err(Problem::MethodNotAllowed(all)));
            assert_eq!(check(path, method), expected, "{method} {path}");
        }
        for path in [
            "",
            "/",
            "/m",
            "/me/",
            "/me/x",
            "/sessions/",
            "/api/sessions//lease",
            "/{name}",
            "/admin/tenants/acme/history/1/2",
            "/admin",
        ] {
            assert_eq!(check(path, "GET"), Err(Problem::NotFound), "{path}");
        }
    }
}
