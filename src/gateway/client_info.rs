//! Describes the client for the visitor's list of sessions: kind of device, and country.

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

/// Maximum number of bytes of a `User-Agent` that are examined.
const MAX_AGENT_LENGTH: usize = 256;

/// Description that a client sends of itself. It is interpreted only when a session is recorded; most sessions never
/// are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Client<'a> {
    /// Cloudflare's `CF-IPCountry`, which clients cannot set there; empty unless it has the form of a country code.
    pub(crate) country: &'a str,
    /// `User-Agent`.
    pub(crate) agent: &'a str,
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
        let agent = self.agent.to_ascii_lowercase();
        let known = DEVICES.iter().find(|(word, _)| agent.contains(word));
        Some(known.map_or("other", |(_, kind)| kind))
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
    }
}
