//! Lists the folded names of headers that no client may send to an origin (see [`super::header_name`]).
//!
//! The lists contain our own headers and those that concern one connection. They also contain names under which
//! well-known servers, gateways and frameworks trust a client's identity, address or route.
//! `docs/reference/dropped-headers.md` lists them with the servers that trust them; a test compares both.

/// Reason why a header is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Concerns this connection only (RFC 9110 section 7.6.1), is set or rewritten here, or comes from Cloudflare with
    /// every request.
    Connection,
    /// Names a user.
    Identity,
    /// States where a request comes from or goes, or requests what only a proxy may.
    Routing,
}

/// Whole names, sorted.
const NAMES: [(&str, Kind); 88] = [
    ("client-ip", Kind::Routing),
    ("cloudflare-workers-version-key", Kind::Connection),
    ("cloudflare-workers-version-overrides", Kind::Connection),
    ("connection", Kind::Connection),
    ("content-length", Kind::Connection),
    ("cookie", Kind::Connection),
    ("dify-hook-url", Kind::Routing),
    ("eppn", Kind::Identity),
    ("expect", Kind::Connection),
    ("fly-client-ip", Kind::Routing),
    ("forwarded", Kind::Connection),
    ("forwarded-for", Kind::Routing),
    ("forwarded-host", Kind::Routing),
    ("forwarded-proto", Kind::Routing),
    ("front-end-https", Kind::Routing),
    ("host", Kind::Connection),
    ("http2-settings", Kind::Connection),
    ("https", Kind::Routing),
    ("keep-alive", Kind::Connection),
    ("oidc-access-token", Kind::Identity),
    ("oidc-id-token", Kind::Identity),
    ("path-info", Kind::Routing),
    ("proxy", Kind::Routing),
    ("proxy-authenticate", Kind::Connection),
    ("proxy-authorization", Kind::Connection),
    ("proxy-client-ip", Kind::Routing),
    ("proxy-connection", Kind::Connection),
    ("script-name", Kind::Routing),
    ("sm-universalid", Kind::Identity),
    ("sm-user", Kind::Identity),
    ("te", Kind::Connection),
    ("traceparent", Kind::Connection),
    ("tracestate", Kind::Connection),
    ("trailer", Kind::Connection),
    ("transfer-encoding", Kind::Connection),
    ("true-client-ip", Kind::Connection),
    ("upgrade", Kind::Connection),
    ("wl-proxy-client-ip", Kind::Routing),
    ("wl-proxy-ssl", Kind::Routing),
    ("x-anonymous-consumer", Kind::Identity),
    ("x-apigateway-api-userinfo", Kind::Identity),
    ("x-auth-email", Kind::Identity),
    ("x-auth-groups", Kind::Identity),
    ("x-auth-name", Kind::Identity),
    ("x-auth-roles", Kind::Identity),
    ("x-auth-subject", Kind::Identity),
    ("x-auth-userid", Kind::Identity),
    ("x-auth-username", Kind::Identity),
    ("x-client-ip", Kind::Routing),
    ("x-cluster-client-ip", Kind::Routing),
    ("x-endpoint-api-userinfo", Kind::Identity),
    ("x-forwarded", Kind::Routing),
    ("x-forwarded-for", Kind::Connection),
    ("x-forwarded-proto", Kind::Connection),
    ("x-host", Kind::Routing),
    ("x-http-destinationurl", Kind::Routing),
    ("x-http-host-override", Kind::Routing),
    ("x-id-token", Kind::Identity),
    ("x-ingress-path", Kind::Routing),
    ("x-jwt-assertion", Kind::Identity),
    ("x-middleware-subrequest", Kind::Routing),
    ("x-original-for", Kind::Routing),
    ("x-original-host", Kind::Routing),
    ("x-original-ip", Kind::Routing),
    ("x-original-method", Kind::Routing),
    ("x-original-path", Kind::Routing),
    ("x-original-port", Kind::Routing),
    ("x-original-prefix", Kind::Routing),
    ("x-original-proto", Kind::Routing),
    ("x-original-query", Kind::Routing),
    ("x-original-query-string", Kind::Routing),
    ("x-original-remote-addr", Kind::Routing),
    ("x-original-request-uri", Kind::Routing),
    ("x-original-scheme", Kind::Routing),
    ("x-original-uri", Kind::Routing),
    ("x-original-url", Kind::Routing),
    ("x-originating-ip", Kind::Routing),
    ("x-proxy-remote-user", Kind::Identity),
    ("x-proxy-user", Kind::Identity),
    ("x-proxyuser-ip", Kind::Routing),
    ("x-real-ip", Kind::Connection),
    ("x-rewrite-url", Kind::Routing),
    ("x-scheme", Kind::Routing),
    ("x-script-name", Kind::Routing),
    ("x-session", Kind::Identity),
    ("x-streamlit-user", Kind::Identity),
    ("x-url-scheme", Kind::Routing),
    ("x-userinfo", Kind::Identity),
];

/// Prefixes of names, sorted; none is a prefix of another.
const PREFIXES: [(&str, Kind); 41] = [
    ("cf-", Kind::Connection),
    ("client-cert", Kind::Identity),
    ("fastly-", Kind::Routing),
    ("fly-forwarded-", Kind::Routing),
    ("mellon-", Kind::Identity),
    ("oidc-claim-", Kind::Identity),
    ("remote-", Kind::Identity),
    ("sf-context-", Kind::Identity),
    ("shib-", Kind::Identity),
    ("ssl-", Kind::Identity),
    ("tailscale-", Kind::Identity),
    ("x-accel-", Kind::Routing),
    ("x-amzn-mtls-", Kind::Identity),
    ("x-amzn-oidc-", Kind::Identity),
    ("x-appengine-", Kind::Routing),
    ("x-arr-", Kind::Routing),
    ("x-auth-request-", Kind::Identity),
    ("x-authenticated-", Kind::Identity),
    ("x-authentik-", Kind::Identity),
    ("x-azure-", Kind::Routing),
    ("x-client-cert", Kind::Identity),
    ("x-consumer-", Kind::Identity),
    ("x-credential-", Kind::Identity),
    ("x-envoy-", Kind::Routing),
    ("x-forwarded-", Kind::Routing),
    ("x-goog-authenticated-user-", Kind::Identity),
    ("x-goog-iap-", Kind::Identity),
    ("x-iisnode-", Kind::Routing),
    ("x-internal-", Kind::Identity),
    ("x-lighttpd-send-", Kind::Routing),
    ("x-ms-client-principal", Kind::Identity),
    ("x-ms-token-", Kind::Identity),
    ("x-original-forwarded-", Kind::Routing),
    ("x-pomerium-", Kind::Identity),
    ("x-remote-", Kind::Identity),
    ("x-reproxy-", Kind::Routing),
    ("x-sendfile", Kind::Routing),
    ("x-session-", Kind::Identity),
    ("x-ssl-", Kind::Identity),
    ("x-vouch-", Kind::Identity),
    ("x-webauth-", Kind::Identity),
];

/// First letters of all names and prefixes, one bit per letter: many of a browser's headers begin with others.
const FIRST_LETTERS: u32 = first_letters(&PREFIXES) | first_letters(&NAMES);

const fn first_letters(mut names: &[(&str, Kind)]) -> u32 {
    let mut letters = 0;
    while let [(name, _), rest @ ..] = names {
        if let [first, ..] = name.as_bytes() {
            letters |= bit_of(*first);
        }
        names = rest;
    }
    letters
}

/// Returns the bit of a letter. Other characters share bits with letters.
const fn bit_of(first: u8) -> u32 {
    1 << (first & 31)
}

/// First two letters of all names and prefixes whose first letter begins a browser's headers too.
const BEGINNINGS: [[u8; 2]; 29] = [
    *b"cf", *b"cl", *b"co", *b"di", *b"ep", *b"ex", *b"fa", *b"fl", *b"fo", *b"fr", *b"ho", *b"ht",
    *b"ke", *b"me", *b"oi", *b"pa", *b"pr", *b"re", *b"sc", *b"sf", *b"sh", *b"sm", *b"ss", *b"ta",
    *b"te", *b"tr", *b"up", *b"wl", *b"x-",
];

/// Returns whether no name in the lists begins with these two lower-case letters, so that the name needs no folding.
/// Most of a browser's names begin so.
#[must_use]
pub(crate) fn is_certainly_ordinary(first: u8, second: u8) -> bool {
    FIRST_LETTERS & bit_of(first) == 0 || !BEGINNINGS.contains(&[first, second])
}

/// Returns why a header of this folded name is dropped; `None` if it passes.
#[must_use]
pub(crate) fn kind_of(folded: &str) -> Option<Kind> {
    let first = folded.bytes().next()?;
    if FIRST_LETTERS & bit_of(first) == 0 {
        return None;
    }
    whole(folded).or_else(|| {
        // Only the last prefix that does not sort after the name can match.
        let end = PREFIXES.partition_point(|(prefix, _)| *prefix <= folded);
        let (prefix, kind) = PREFIXES.get(end.checked_sub(1)?)?;
        folded.starts_with(prefix).then_some(*kind)
    })
}

/// Returns whether Vestibule sets a header of this folded name, or it concerns the connection or route. A tenant
/// cannot use such a name.
#[must_use]
pub(crate) fn is_ours(folded: &str) -> bool {
    matches!(folded, "x-forwarded-host" | "x-forwarded-port")
        || folded.starts_with("x-session")
        || matches!(whole(folded), Some(Kind::Connection | Kind::Routing))
}

fn whole(folded: &str) -> Option<Kind> {
    let at = NAMES.binary_search_by_key(&folded, |(name, _)| name).ok()?;
    NAMES.get(at).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::header_name::fold;

    #[test]
    fn reserved_tables_are_sorted_folded_and_disjoint() {
        assert!(NAMES.is_sorted_by_key(|(name, _)| *name));
        assert!(PREFIXES.is_sorted_by_key(|(name, _)| *name));
        for (name, _) in NAMES {
            assert_eq!(fold(name), name);
        }
        for (at, (prefix, _)) in PREFIXES.iter().enumerate() {
            assert_eq!(fold(prefix), prefix.trim_end_matches('-'));
            for (other, _) in PREFIXES.iter().skip(at + 1) {
                assert!(!other.starts_with(prefix), "{prefix} {other}");
            }
        }
    }

    #[test]
    fn every_reserved_name_and_prefix_is_found() {
        for (name, kind) in NAMES {
            assert_eq!(kind_of(name), Some(kind), "{name}");
        }
        for (prefix, kind) in PREFIXES {
            for rest in ["a", "x", "zzz", "0", "user-id"] {
                let name = format!("{prefix}{rest}");
                assert_eq!(kind_of(&name), Some(kind), "{name}");
            }
        }
    }

    #[test]
    fn fast_check_never_excludes_a_reserved_name() {
        for (name, _) in NAMES.iter().chain(&PREFIXES) {
            let [first, second, ..] = name.as_bytes() else {
                panic!("{name} is too short")
            };
            assert!(!is_certainly_ordinary(*first, *second), "{name}");
        }
    }

    #[test]
    fn documented_list_matches_the_tables() {
        let page = include_str!("../../docs/reference/dropped-headers.md");
        let listed: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with('|'))
            .flat_map(|line| line.split('|').nth(1).unwrap_or_default().split(", "))
            .filter_map(|name| name.trim().strip_prefix('`')?.strip_suffix('`'))
            .collect();
        let prefixes = PREFIXES.map(|(prefix, _)| format!("{prefix}*"));
        let names = NAMES.map(|(name, _)| name.to_owned());
        let mut ours: Vec<&str> = prefixes.iter().chain(&names).map(String::as_str).collect();
        let mut theirs = listed;
        ours.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(theirs, ours);
    }
}
