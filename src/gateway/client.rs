//! What the visitor's own list of sessions says about each: on what kind of device, in which country.

use crate::inbound::request::Request;

/// Words in a `User-Agent` and what they tell, the most telling first.
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

/// The kind of device and the country; empty where they cannot be told. The country is
/// Cloudflare's `CF-IPCountry`, which clients cannot set there.
pub(super) fn describe<'a>(request: &Request<'a>) -> (&'static str, &'a str) {
    let agent = request.header("user-agent").unwrap_or_default();
    let agent = agent.get(..agent.len().min(256)).unwrap_or_default();
    let agent = agent.to_ascii_lowercase();
    let device = DEVICES
        .iter()
        .find(|(word, _)| agent.contains(word))
        .map_or(if agent.is_empty() { "" } else { "other" }, |(_, kind)| {
            kind
        });
    let country = request.header("cf-ipcountry").unwrap_or_default();
    let is_code = country.len() == 2 && country.bytes().all(|b| b.is_ascii_alphanumeric());
    (device, if is_code { country } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_told_apart() {
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
            assert_eq!(describe(&request), (expected, "AT"), "{agent}");
        }
        let request = Request::parse("GET\nhttps://chat.example/\ncf-ipcountry\nXYZ").unwrap();
        assert_eq!(describe(&request), ("", ""));
    }
}
