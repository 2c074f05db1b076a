//! Describes where a session began, for lists of sessions: kind of device, browser, country, and first part of the path.
//!
//! Versions of browsers and whole paths are left out: the first tell visitors apart, and the second may be secret.

use crate::balancer::releases::rules::Facts;
use crate::http::request::Request;
use crate::session::identity::Identity;

/// Words in a `User-Agent` with the device that each indicates, the most specific first.
const DEVICES: [(&str, &str); 11] = [
    ("bot", "bot"),
    ("crawler", "bot"),
    ("ipad", "tablet"),
    ("tablet", "tablet"),
    ("iphone", "phone"),
    ("mobile", "phone"),
    ("android", "tablet"),
    ("windows", "desktop"),
    ("macintosh", "desktop"),
    ("cros", "desktop"),
    ("linux", "desktop"),
];

/// Words in a `User-Agent` with the browser that each indicates. Browsers name those that they descend from, too, so the
/// most specific comes first.
const BROWSERS: [(&str, &str); 17] = [
    ("edg", "Edge"),
    ("opr/", "Opera"),
    ("opera", "Opera"),
    ("samsungbrowser", "Samsung Internet"),
    ("micromessenger", "WeChat"),
    ("electron", "Electron"),
    ("firefox", "Firefox"),
    ("fxios", "Firefox"),
    ("chrom", "Chrome"),
    ("crios", "Chrome"),
    ("safari", "Safari"),
    ("curl", "curl"),
    ("wget", "Wget"),
    ("python", "Python"),
    ("go-http", "Go"),
    ("okhttp", "OkHttp"),
    ("node", "Node.js"),
];

/// Maximum number of bytes of a `User-Agent` that are examined.
const MAX_AGENT_LENGTH: usize = 256;

/// Maximum number of bytes of a path's first segment.
const MAX_SEGMENT_LENGTH: usize = 32;

/// Maximum number of digits at the end of a path's first segment, as in `v1`. More could be an id or a secret.
const MAX_SEGMENT_DIGITS: usize = 2;

/// Description of a client by its request. It is interpreted only when a session is recorded; most sessions never
/// are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Client<'a> {
    /// Cloudflare's `CF-IPCountry`, which clients cannot set there; empty unless it has the form of a country code.
    pub(crate) country: &'a str,
    /// `User-Agent`.
    pub(crate) agent: &'a str,
    /// Beginning of the path, at least its first segment unless that is too long.
    pub(crate) path: &'a str,
}

impl<'a> Client<'a> {
    pub(crate) fn of(request: &Request<'a>) -> Self {
        let agent = request.header("user-agent").unwrap_or_default();
        let country = request.header("cf-ipcountry").unwrap_or_default();
        let is_code = country.len() == 2 && country.bytes().all(|b| b.is_ascii_alphanumeric());
        Self {
            country: if is_code { country } else { "" },
            agent: agent
                .get(..agent.len().min(MAX_AGENT_LENGTH))
                .unwrap_or_default(),
            path: "",
        }
        .at(request.location.path)
    }

    /// Returns the client with another path.
    pub(crate) fn at(self, path: &'a str) -> Self {
        // Two bytes more: the first slash, and one that shows that the segment is too long.
        let length = path.len().min(MAX_SEGMENT_LENGTH + 2);
        Self {
            path: path.get(..length).unwrap_or_default(),
            ..self
        }
    }

    /// Returns the kind of device; `None` without a `User-Agent`.
    pub(crate) fn device(self) -> Option<String> {
        self.kind_of_device().map(str::to_owned)
    }

    fn kind_of_device(self) -> Option<&'static str> {
        if self.agent.is_empty() {
            return None;
        }
        Some(self.named_among(&DEVICES).unwrap_or("other"))
    }

    /// Returns the family of the browser or program, without its version; `None` for an unknown one.
    pub(crate) fn browser(self) -> Option<String> {
        self.named_among(&BROWSERS).map(str::to_owned)
    }

    /// Returns the first word of the table that the `User-Agent` contains, by its meaning.
    fn named_among(self, table: &[(&str, &'static str)]) -> Option<&'static str> {
        let agent = self.agent.to_ascii_lowercase();
        let known = table.iter().find(|(word, _)| agent.contains(word))?;
        Some(known.1)
    }

    /// Returns the first segment of the path, with its slash, if it is a plain word such as `/chat` or `/v1`.
    pub(crate) fn path(self) -> Option<String> {
        let rest = self.path.strip_prefix('/')?;
        let segment = rest.split(['/', '?', '#']).next()?;
        let word = segment.trim_end_matches(|c: char| c.is_ascii_digit());
        let is_plain = segment.len() <= MAX_SEGMENT_LENGTH
            && segment.len() - word.len() <= MAX_SEGMENT_DIGITS
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b"-_.".contains(&b));
        is_plain.then(|| ["/", segment].concat())
    }

    /// Returns the country, if known.
    pub(crate) fn country(self) -> Option<String> {
        (!self.country.is_empty()).then(|| self.country.to_owned())
    }
}

/// Returns what rules for gray releases look at.
pub(crate) fn facts<'a>(request: &'a Request<'_>, user: Option<&'a Identity>) -> Facts<'a> {
    let client = Client::of(request);
    Facts {
        headers: &request.headers,
        user: user.map(|user| user.user.as_str()),
        groups: user.map_or(&[], |user| &user.groups),
        country: Some(client.country).filter(|country| !country.is_empty()),
        device: client.kind_of_device(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_recognised() {
        for (agent, expected) in [
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0)", "phone"),
            ("Mozilla/5.0 (Linux; Android 14; Pixel 8) Mobile", "phone"),
            ("Mozilla/5.0 (X11; Linux x86_64)", "desktop"),
            ("curl/8.5.0", "other"),
            ("Googlebot/2.1", "bot"),
        ] {
            let packed =
                format!("GET\nhttps://chat.example/\nuser-agent\n{agent}\ncf-ipcountry\nAT");
            let request = Request::parse(&packed).unwrap();
            let client = Client::of(&request);
            assert_eq!(client.device().as_deref(), Some(expected), "{agent}");
            assert_eq!(client.country().as_deref(), Some("AT"));
        }
        let request = Request::parse("GET\nhttps://chat.example/\ncf-ipcountry\nXYZ").unwrap();
        let client = Client::of(&request);
        assert_eq!((client.device(), client.country()), (None, None));
        assert_eq!(client.browser(), None);
    }

    #[test]
    fn browsers_are_recognised_by_their_own_names() {
        const WEBKIT: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (agent, expected) in [
            ("Gecko/20100101 Firefox/128.0", Some("Firefox")),
            ("FxiOS/128.0 Mobile/15E148 Safari/605.1.15", Some("Firefox")),
            ("Chrome/128.0.0.0 Safari/537.36", Some("Chrome")),
            ("CriOS/128.0 Mobile/15E148 Safari/604.1", Some("Chrome")),
            ("Chrome/128.0.0.0 Safari/537.36 Edg/128.0", Some("Edge")),
            ("Chrome/128.0.0.0 Safari/537.36 OPR/114.0", Some("Opera")),
            (
                "SamsungBrowser/26.0 Chrome/122.0 Mobile Safari/537.36",
                Some("Samsung Internet"),
            ),
            ("Version/17.6 Safari/605.1.15", Some("Safari")),
            ("curl/8.5.0", Some("curl")),
            ("python-requests/2.32.3", Some("Python")),
            ("node", Some("Node.js")),
            ("Something/1.0", None),
        ] {
            let agent = if agent.contains("Safari") {
                format!("Mozilla/5.0 (X11) {WEBKIT} {agent}")
            } else {
                agent.to_owned()
            };
            let client = Client {
                agent: &agent,
                ..Client::default()
            };
            assert_eq!(client.browser().as_deref(), expected, "{agent}");
        }
    }

    #[test]
    fn only_a_plain_first_segment_of_a_path_is_kept() {
        let longest = format!("/{}", "a".repeat(MAX_SEGMENT_LENGTH));
        let too_long = format!("{longest}a");
        for (path, expected) in [
            ("/", Some("/")),
            ("/chat", Some("/chat")),
            ("/chat/rooms/4711?key=secret", Some("/chat")),
            ("/?key=secret", Some("/")),
            ("/v1/chat", Some("/v1")),
            ("/socket.io/", Some("/socket.io")),
            (longest.as_str(), Some(longest.as_str())),
            (too_long.as_str(), None),
            // Any of these could be the secret of an invitation.
            ("/4711", None),
            ("/k7fq2mwp", None),
            ("/QmFzZTY0", None),
            ("/ada@acme.example", None),
            ("/%61da", None),
            ("/日本語", None),
            ("https://elsewhere.example/", None),
            ("", None),
        ] {
            let client = Client::default().at(path);
            assert_eq!(client.path().as_deref(), expected, "{path}");
        }
    }
}
