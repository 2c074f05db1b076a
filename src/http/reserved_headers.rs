//! The headers that no client may send to an origin, folded (see [`super::header_name`]).
//!
//! Beside what is ours and what concerns one connection these are the names under which well-known
//! servers, gateways and frameworks take somebody's word for who is asking, from where, and for what.
//! `docs/reference/dropped-headers.md` lists them with who believes them, and a test compares the two.

/// Why a header is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It concerns this connection only (RFC 9110 section 7.6.1), is set or rewritten here, or comes
    /// with every request from the proxy in front of us.
    Connection,
    /// It says who somebody is.
    Identity,
    /// It says where a request comes from or leads, or asks for what only a proxy may.
    Routing,
}

/// Whole names. Sorted.
const NAMES: [(&str, Kind); 87] = [
    ("client-ip", Kind::Routing),
    ("cloudflare-workers-version-key", Kind::Connection),
    ("cloudflare-workers-version-overrides", Kind::Connection),
    ("connection", Kind::Connection),
    ("content-length", Kind::Connection),
    ("cookie", Kind::Connection),
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

/// What names begin with. Sorted, and none begins with another.
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

/// What all of these begin with, a bit for each letter: many of a browser's names begin otherwise.
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

/// Letters have a bit each; what else a name may begin with shares one with some letter.
const fn bit_of(first: u8) -> u32 {
    1 << (first & 31)
}

/// The first two letters of all of these that a browser's own names share the first letter with.
const BEGINNINGS: [[u8; 2]; 28] = [
    *b"cf", *b"cl", *b"co", *b"ep", *b"ex", *b"fa", *b"fl", *b"fo", *b"fr", *b"ho", *b"ht", *b"ke",
    *b"me", *b"oi", *b"pa", *b"pr", *b"re", *b"sc", *b"sf", *b"sh", *b"sm", *b"ss", *b"ta", *b"te",
    *b"tr", *b"up", *b"wl", *b"x-",
];

/// Whether a name that begins with these two small letters, as it is spelled, is none of these: then it need not be
/// folded. Most of a browser's names begin so.
#[must_use]
pub(crate) fn begins_otherwise(first: u8, second: u8) -> bool {
    FIRST_LETTERS & bit_of(first) == 0 || !BEGINNINGS.contains(&[first, second])
}

/// Why a header of this folded name is not passed on; none if it is.
#[must_use]
pub(crate) fn kind_of(folded: &str) -> Option<Kind> {
    let first = folded.bytes().next()?;
    if FIRST_LETTERS & bit_of(first) == 0 {
        return None;
    }
    whole(folded).or_else(|| {
        // The one prefix that can be its own is the last that does not come after it.
        let end = PREFIXES.partition_point(|(prefix, _)| *prefix <= folded);
        let (prefix, kind) = PREFIXES.get(end.checked_sub(1)?)?;
        folded.starts_with(prefix).then_some(*kind)
    })
}

/// Whether a header of this folded name is set by us, or says something of the connection or of the
/// way: not a name that a tenant may give to something else.
#[must_use]
pub(crate) fn is_ours(folded: &str) -> bool {
    folded == "x-forwarded-host"
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
            assert!(!begins_otherwise(*first, *second), "{name}");
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
