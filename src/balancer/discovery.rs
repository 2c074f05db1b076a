//! Defines origins that come from a list, which the pool object reads again and again.
//!
//! The base of such an entry names the list: `discover:` and the URL of a JSON document; `srv:` and a name with SRV
//! records (RFC 2782); `dns:`, a host with A records, and a port. The names are asked by DNS over HTTPS, in the JSON form
//! that Cloudflare and Google document. [`super::origin_lists`] keeps the servers found.

/// Maximum length of a response, in bytes.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// Maximum time for a response, in milliseconds.
pub(crate) const DEADLINE_MS: u32 = 4_000;

/// Maximum number of servers of a list.
pub(crate) const MAX_SERVERS: usize = 256;

/// Place of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source<'a> {
    /// Form of the list.
    pub kind: Kind,
    /// Scheme of the list's URL, or of the servers that DNS names.
    pub scheme: &'a str,
    /// Host and path of the list, or the name that DNS is asked for, with the port of its addresses.
    place: &'a str,
}

/// Form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A JSON document.
    Document,
    /// SRV records, each with a host and port.
    Services,
    /// A records.
    Addresses,
}

/// Returns whether a base names a list and not a server.
#[must_use]
pub(crate) fn is_list(base: &str) -> bool {
    kind(base).is_some()
}

fn kind(base: &str) -> Option<(Kind, &str)> {
    let (kind, rest) = base.split_once(':')?;
    let kind = match kind {
        "discover" => Kind::Document,
        "srv" => Kind::Services,
        "dns" => Kind::Addresses,
        _ => return None,
    };
    Some((kind, rest))
}

impl<'a> Source<'a> {
    /// Parses a base.
    #[must_use]
    pub(crate) fn parse(base: &'a str) -> Option<Self> {
        let (kind, rest) = kind(base)?;
        let (scheme, place) = match rest.split_once("://") {
            Some(both) => both,
            None if kind == Kind::Document => return None,
            None => ("http", rest),
        };
        let source = Self {
            kind,
            scheme,
            place,
        };
        let (host, port) = source.host_and_port();
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"._-[]:".contains(&b);
        let is_sound = matches!(scheme, "http" | "https")
            && !host.is_empty()
            && host.bytes().all(is_name)
            && place
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"\"\\#".contains(&b))
            && match kind {
                Kind::Document => true,
                Kind::Services => !place.contains([':', '/', '?']),
                Kind::Addresses => !host.contains(':') && port.parse::<u16>().is_ok(),
            };
        is_sound.then_some(source)
    }

    /// Returns the host, and the port of addresses.
    fn host_and_port(&self) -> (&'a str, &'a str) {
        match self.kind {
            Kind::Document => {
                let end = self.place.find(['/', '?']).unwrap_or(self.place.len());
                (self.place.get(..end).unwrap_or_default(), "")
            }
            Kind::Services => (self.place, ""),
            Kind::Addresses => self.place.rsplit_once(':').unwrap_or_default(),
        }
    }

    /// Returns the name of the list in logs and metrics: without its path, which may hold a secret.
    #[must_use]
    pub(crate) fn name(&self) -> String {
        match self.kind {
            Kind::Document => ["discover:", self.host_and_port().0].concat(),
            Kind::Services => ["srv:", self.place].concat(),
            Kind::Addresses => ["dns:", self.place].concat(),
        }
    }

    /// Returns the URL to get, and the media type to ask for. `resolver` answers for DNS.
    #[must_use]
    pub(crate) fn request(&self, resolver: &str) -> (String, &'static str) {
        let record = match self.kind {
            Kind::Document => {
                let url = [self.scheme, "://", self.place].concat();
                return (url, "application/json");
            }
            Kind::Services => "&type=SRV",
            Kind::Addresses => "&type=A",
        };
        let url = [resolver, "?name=", self.host_and_port().0, record].concat();
        (url, "application/dns-json")
    }

    /// Returns the base of a server that DNS names. `port` is that of a service.
    #[must_use]
    pub(crate) fn server(&self, host: &str, port: &str) -> String {
        let port = match self.kind {
            Kind::Addresses => self.host_and_port().1,
            _ => port,
        };
        [self.scheme, "://", host, ":", port].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_asked_where_its_entry_says() {
        let resolver = "https://dns.example/dns-query";
        for (base, name, url) in [
            (
                "discover:https://a.example:8443/list?key=s3cret",
                "discover:a.example:8443",
                "https://a.example:8443/list?key=s3cret",
            ),
            (
                "discover:http://[::1]:1",
                "discover:[::1]:1",
                "http://[::1]:1",
            ),
            (
                "srv:_chat._tcp.example.com",
                "srv:_chat._tcp.example.com",
                "https://dns.example/dns-query?name=_chat._tcp.example.com&type=SRV",
            ),
            (
                "srv:https://chat.example",
                "srv:chat.example",
                "https://dns.example/dns-query?name=chat.example&type=SRV",
            ),
            (
                "dns:chat.example:8000",
                "dns:chat.example:8000",
                "https://dns.example/dns-query?name=chat.example&type=A",
            ),
        ] {
            let source = Source::parse(base).unwrap();
            assert_eq!(source.name(), name);
            assert_eq!(source.request(resolver).0, url);
        }
        let source = Source::parse("dns:https://chat.example:8000").unwrap();
        assert_eq!(source.server("10.0.0.1", ""), "https://10.0.0.1:8000");
        let source = Source::parse("srv:chat.example").unwrap();
        assert_eq!(source.server("a.example", "81"), "http://a.example:81");
    }

    #[test]
    fn malformed_place_is_rejected() {
        for base in [
            "discover:",
            "discover:a.example/list",
            "discover:ftp://a.example",
            "discover:https://",
            "discover:https:///list",
            "discover:https://user:word@a.example/",
            "discover:https://a.example/a b",
            "discover:https://a.example/#a",
            "srv:",
            "srv:a/b",
            "srv:a:80",
            "srv:ws://a",
            "srv:a&type=A",
            "dns:a",
            "dns::80",
            "dns:a:x",
            "dns:a:70000",
            "http://a",
        ] {
            assert_eq!(Source::parse(base), None, "{base}");
        }
    }
}
