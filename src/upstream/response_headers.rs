//! Plans the changes to an origin's response headers, and to a body that the tenant patches.
//!
//! All other headers reach the client unchanged, byte for byte.

use crate::config::values::CookiePattern;
use crate::cookie::name::CookieName;
use crate::cookie::set_cookie;
use crate::upstream::public_url::Site;
use crate::upstream::{caching, session_controls};

/// Changes to the headers: first the removals, each of all values of a name, then the additions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edits {
    /// Lower-case names.
    pub remove: Vec<String>,
    /// Names and values.
    pub append: Vec<(&'static str, String)>,
    /// Body in one line, in place of the origin's; empty for the origin's.
    pub body: String,
}

/// Headers that describe the origin's body: its coding, length, versions, digests and ranges (RFC 9110, RFC 9530).
const OF_BODY: [&str; 9] = [
    "content-encoding",
    "content-length",
    "etag",
    "last-modified",
    "accept-ranges",
    "content-md5",
    "digest",
    "content-digest",
    "repr-digest",
];

/// Headers with a URL for the client.
const LEADING: [&str; 4] = ["location", "content-location", "refresh", "link"];

/// Header in which an origin reports its load (ORCA). It is removed from the response.
pub(crate) const LOAD: &str = "endpoint-load-metrics";

/// Headers that require the core to handle a response, in addition to our own, because it changes or reads them.
pub(crate) const CONCERNING: [&str; 7] = [
    "set-cookie",
    "cache-control",
    "location",
    "content-location",
    "refresh",
    "link",
    LOAD,
];

/// Parameters of the changes.
pub(crate) struct Context<'a> {
    /// Name of our cookie on this connection.
    pub cookie: CookieName,
    /// Patterns of the origin's cookies that the vault keeps.
    pub vault: &'a [CookiePattern],
    /// Whether the request had no session and the response is shared: it stays as cacheable as it is, and sets no
    /// cookies.
    pub is_public: bool,
    /// Body that the tenant's patch yields, if it patches the response; empty for a response without a body.
    pub patched: Option<String>,
    /// Our own `Set-Cookie` lines, if any are due.
    pub set_cookies: Vec<String>,
    /// Public address of this site.
    pub site: Site<'a>,
}

impl Edits {
    /// Plans the changes to `headers` (lower-case names, each `Set-Cookie` separate).
    #[must_use]
    pub(crate) fn plan(headers: &[(&str, &str)], context: Context<'_>) -> Self {
        let mut edits = Self::default();
        for (name, _) in headers {
            if name.starts_with(session_controls::PREFIX) || *name == LOAD {
                edits.remove((*name).to_owned());
            }
        }
        edits.cookies(headers, &context);
        edits.urls(headers, context.site);
        if !context.is_public {
            edits.caching(headers, !context.set_cookies.is_empty());
        }
        if let Some(body) = context.patched {
            for name in OF_BODY {
                if value(headers, name).is_some() {
                    edits.remove(name.to_owned());
                }
            }
            edits.body = body;
        }
        for line in context.set_cookies {
            edits.append.push(("set-cookie", line));
        }
        edits
    }

    /// Returns whether there are no changes.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.append.is_empty() && self.body.is_empty()
    }

    /// Removes lines that set our cookie, and cookies of the vault. Rewrites the domains of the others.
    fn cookies(&mut self, headers: &[(&str, &str)], context: &Context<'_>) {
        let ours = |line: &str| {
            let name = set_cookie::name_of(line);
            let mut vault = context.vault.iter();
            context.is_public
                || context.cookie.is_ours(name)
                || vault.any(|pattern| pattern.matches(name))
        };
        let mut is_changed = false;
        let mut kept = Vec::new();
        for (_, line) in headers.iter().filter(|(name, _)| *name == "set-cookie") {
            let public = context.site.made_public_in_cookie(line);
            is_changed |= public.is_some() || ours(line);
            if !ours(line) {
                kept.push(("set-cookie", public.unwrap_or_else(|| (*line).to_owned())));
            }
        }
        if is_changed {
            self.remove("set-cookie".to_owned());
            self.append.extend(kept);
        }
    }

    /// Rewrites URLs with an origin's address, which would bypass Vestibule or be unreachable.
    fn urls(&mut self, headers: &[(&str, &str)], site: Site<'_>) {
        for name in LEADING {
            let Some(own) = value(headers, name) else {
                continue;
            };
            let public = match name {
                "link" => site.made_public_in_links(own),
                "refresh" => site.made_public_in_refresh(own),
                _ => site.made_public(own),
            };
            if let Some(public) = public {
                self.remove(name.to_owned());
                self.append.push((name, public));
            }
        }
    }

    fn caching(&mut self, headers: &[(&str, &str)], sets_cookie: bool) {
        let own = value(headers, "cache-control");
        let replaced = if sets_cookie {
            Some(caching::with_cookie(own))
        } else {
            own.and_then(caching::personal)
        };
        let Some(replaced) = replaced else { return };
        if own != Some(replaced.as_str()) {
            if own.is_some() {
                self.remove("cache-control".to_owned());
            }
            self.append.push(("cache-control", replaced));
        }
        let varies = headers
            .iter()
            .filter(|(name, _)| *name == "vary")
            .flat_map(|(_, value)| value.split(','))
            .any(|field| matches!(field.trim().to_ascii_lowercase().as_str(), "cookie" | "*"));
        if !varies {
            self.append.push(("vary", "Cookie".to_owned()));
        }
    }

    fn remove(&mut self, name: String) {
        if !self.remove.contains(&name) {
            self.remove.push(name);
        }
    }
}

fn value<'a>(headers: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(other, _)| *other == name)
        .map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::pool::{Base, Origin};
    use crate::balancer::pools::Pools;

    fn plan(headers: &[(&str, &str)], set_cookie: Option<&str>) -> Edits {
        let base = Base::parse("http://10.0.0.1:8000").unwrap();
        let origins = Pools::new(vec![Origin::new(base.to_name(), base)]).unwrap();
        Edits::plan(
            headers,
            Context {
                cookie: CookieName::Host,
                vault: &[],
                is_public: false,
                patched: None,
                set_cookies: set_cookie.map(str::to_owned).into_iter().collect(),
                site: Site {
                    scheme: "https",
                    authority: "chat.example",
                    origins: &origins,
                },
            },
        )
    }

    fn edits(remove: &[&str], append: &[(&'static str, &str)]) -> Edits {
        Edits {
            remove: remove.iter().map(|name| (*name).to_owned()).collect(),
            append: append
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
            body: String::new(),
        }
    }

    #[test]
    fn ordinary_response_is_untouched() {
        let headers = [
            ("content-type", "text/html"),
            ("set-cookie", "a=b"),
            ("cache-control", "max-age=5"),
            ("location", "/x"),
        ];
        assert!(plan(&headers, None).is_empty());
    }

    #[test]
    fn control_headers_never_reach_the_client() {
        let headers = [("x-session-patch", "{}"), ("x-session-anything", "1")];
        assert_eq!(
            plan(&headers, None),
            edits(&["x-session-patch", "x-session-anything"], &[])
        );
    }

    #[test]
    fn origin_cannot_set_our_cookie_and_others_pass() {
        let headers = [
            ("set-cookie", "a=\"b\"; Path=/"),
            ("set-cookie", "__host-Session=evil"),
            ("set-cookie", "=__Host-session=evil"),
            ("set-cookie", "c=d"),
        ];
        assert_eq!(
            plan(&headers, None),
            edits(
                &["set-cookie"],
                &[("set-cookie", "a=\"b\"; Path=/"), ("set-cookie", "c=d")]
            )
        );
    }

    #[test]
    fn redirect_to_the_origin_becomes_public() {
        for (location, expected) in [
            (
                "http://10.0.0.1:8000/login?x",
                Some("https://chat.example/login?x"),
            ),
            ("http://10.0.0.1:8000", Some("https://chat.example")),
            ("http://10.0.0.1:80001/", None),
            ("https://elsewhere.example/", None),
        ] {
            let plan = plan(&[("location", location)], None);
            let expected = expected.map_or_else(Edits::default, |to| {
                edits(&["location"], &[("location", to)])
            });
            assert_eq!(plan, expected, "{location}");
        }
    }

    #[test]
    fn public_path_stays_cacheable_without_cookies() {
        let base = Base::parse("http://10.0.0.1:8000").unwrap();
        let origins = Pools::new(vec![Origin::new(base.to_name(), base)]).unwrap();
        let context = Context {
            cookie: CookieName::Host,
            vault: &[],
            is_public: true,
            patched: None,
            set_cookies: Vec::new(),
            site: Site {
                scheme: "https",
                authority: "chat.example",
                origins: &origins,
            },
        };
        let headers = [
            ("cache-control", "public, max-age=60"),
            ("set-cookie", "a=1"),
        ];
        assert_eq!(Edits::plan(&headers, context), edits(&["set-cookie"], &[]));
    }

    #[test]
    fn urls_and_cookie_domains_are_rewritten() {
        let headers = [
            ("content-location", "//10.0.0.1:8000/a"),
            ("refresh", "1; url=http://10.0.0.1:8000/b"),
            ("link", "<http://10.0.0.1:8000/c>; rel=next"),
            ("set-cookie", "a=1; Domain=10.0.0.1"),
            ("set-cookie", "b=2"),
        ];
        assert_eq!(
            plan(&headers, None),
            edits(
                &["set-cookie", "content-location", "refresh", "link"],
                &[
                    ("set-cookie", "a=1; Domain=chat.example"),
                    ("set-cookie", "b=2"),
                    ("content-location", "https://chat.example/a"),
                    ("refresh", "1; url=https://chat.example/b"),
                    ("link", "<https://chat.example/c>; rel=next"),
                ]
            )
        );
    }

    #[test]
    fn response_with_our_cookie_is_never_shared() {
        assert_eq!(
            plan(&[], Some("line")),
            edits(
                &[],
                &[
                    ("cache-control", "no-store"),
                    ("vary", "Cookie"),
                    ("set-cookie", "line")
                ]
            )
        );
        assert_eq!(
            plan(
                &[("cache-control", "public"), ("vary", "Accept, cookie")],
                Some("line")
            ),
            edits(
                &["cache-control"],
                &[
                    ("cache-control", "private, no-cache=\"Set-Cookie\""),
                    ("set-cookie", "line")
                ]
            )
        );
    }

    #[test]
    fn public_response_becomes_private() {
        assert_eq!(
            plan(&[("cache-control", "public, max-age=60")], None),
            edits(
                &["cache-control"],
                &[("cache-control", "private, max-age=60"), ("vary", "Cookie")]
            )
        );
    }
}
