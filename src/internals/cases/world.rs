//! Simulates one isolate with immediate answers: a namespace with one record, and a directory without revocations.

use crate::clock::UnixMillis;
use crate::cookie::token::Token;
use crate::deployment::Deployment;
use crate::effect::{Answers, Class, Found, Need};
use crate::encoding::base64url;
use crate::gateway::{Forward, ResponseAction, Step};
use crate::keys::{DeploymentKeys, KeyRing};
use crate::router::Router;
use crate::session::codec;
use crate::session::id::{Handle, RecordName, SessionId};
use crate::session::record::{Entry, Record, Version};
use crate::tenant_id::TenantId;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;
use serde_json::{Value, json};

/// Constant time of all cases, so that nothing becomes due.
pub(super) const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

const KEY: [u8; 32] = [7; 32];

pub(super) fn tenant() -> TenantId {
    TenantId::parse("default").unwrap()
}

pub(super) fn keys() -> KeyRing {
    let keys = DeploymentKeys::parse(&base64url(&KEY)).unwrap();
    KeyRing::derive(&keys, &tenant()).unwrap()
}

/// Returns the session's cookie from before anything was stored.
pub(super) fn token() -> Token {
    let id = SessionId::from_bytes([9; 16]);
    Token {
        handle: Handle::derive(&tenant(), &id),
        id,
        created: NOW.seconds(),
        issued: NOW.seconds(),
        least_version: Version::UNSTORED,
    }
}

/// Returns its record, without data.
pub(super) fn record() -> Record {
    let Token {
        handle,
        id,
        created,
        issued,
        ..
    } = token();
    Record::unstored(handle, id, created, issued)
}

/// Headers that Firefox sends and Cloudflare adds.
const HEADERS: [(&str, &str); 14] = [
    (
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    ("accept-encoding", "gzip, br"),
    ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
    ("cf-connecting-ip", "203.0.113.7"),
    ("cf-ipcountry", "AT"),
    ("cf-ray", "8f0c1d2e3f4a5b6c-VIE"),
    ("priority", "u=0, i"),
    ("referer", "https://chat.example/"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "same-origin"),
    ("upgrade-insecure-requests", "1"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
    ),
    ("x-forwarded-proto", "https"),
];

/// Returns a request with this many headers, up to 15 as a browser's, packed as by `worker/js/wire.js`.
pub(super) fn packed(cookies: &str, headers: usize) -> String {
    let line = |(name, value): &(&str, &str)| format!("\n{name}\n{value}");
    let browsers: String = HEADERS.iter().take(headers - 1).map(line).collect();
    let more = (HEADERS.len() + 1..headers).map(|number| {
        let name = format!("x-application-{number}");
        line(&(&name, "a value"))
    });
    format!(
        "GET\nhttps://chat.example/chat?thread=1\ncookie\n{cookies}{browsers}{}",
        more.collect::<String>()
    )
}

pub(super) struct World {
    router: Router,
    stored: Vec<u8>,
}

impl World {
    /// Creates a deployment as in `wrangler.toml`, with this many servers and additional settings.
    pub(super) fn with(servers: usize, settings: &Value) -> Self {
        let origins: Vec<String> = (1..=servers)
            .map(|number| format!("s{number}=http://127.0.0.1:{}", 8_000 + number))
            .collect();
        let mut bindings = json!({
            "SESSION_KEYS": base64url(&KEY),
            "TENANT": tenant().as_str(),
            "ORIGINS": origins.join(","),
            "SESSION_IDLE": "8h",
            "SESSION_ABSOLUTE": "7d",
        });
        let bound = [
            "SESSIONS",
            "SESSION_OBJECTS",
            "DIRECTORY_OBJECTS",
            "POOL_OBJECTS",
            "ATTEMPT_OBJECTS",
            "TELEMETRY_OBJECTS",
        ];
        let members = bindings.as_object_mut().unwrap();
        members.extend(bound.map(|name| (name.to_owned(), json!(true))));
        members.extend(settings.as_object().unwrap().clone());
        let Ok(deployment) = Deployment::from_bindings(&bindings.to_string()) else {
            panic!("misconfigured: {bindings}");
        };
        Self {
            router: Router::new(deployment, ChaCha20Rng::seed_from_u64(1)),
            stored: Vec::new(),
        }
    }

    /// Stores a record in the namespace.
    pub(super) fn store(&mut self, record: Record) {
        let name = RecordName::derive(&tenant(), record.handle);
        let mut random = ChaCha20Rng::seed_from_u64(2);
        let sealed = codec::seal(&Entry::Live(record), &name, &keys(), &mut random);
        self.stored = sealed.unwrap();
    }

    /// Calls `admit` once, without answers, and takes the log events as the edge does.
    pub(super) fn ask(&mut self, packed: &str) -> Step {
        let step = self.router.admit(packed, NOW, &Answers::default());
        self.router.take_events();
        step
    }

    /// Calls `admit` until the request is forwarded; later calls need nothing.
    pub(super) fn forwarded(&mut self, packed: &str) -> Forward {
        let mut answers = Answers::default();
        loop {
            match self.router.admit(packed, NOW, &answers) {
                Step::Await(needs) => self.satisfy(&needs, &mut answers),
                Step::Forward(forward) => return *forward,
                other => panic!("not forwarded: {other:?}"),
            }
        }
    }

    /// Handles a response, and takes the writes and log events.
    pub(super) fn handle_response(
        &mut self,
        response_context: &str,
        headers: &str,
    ) -> ResponseAction {
        let mut answers = Answers::default();
        loop {
            match self
                .router
                .handle_response(response_context, 200, headers, NOW, &answers)
            {
                ResponseAction::Await(needs) => self.satisfy(&needs, &mut answers),
                settled => {
                    self.router.take_writes();
                    self.router.take_events();
                    return settled;
                }
            }
        }
    }

    fn satisfy(&self, needs: &[Need], answers: &mut Answers) {
        for need in needs {
            match need {
                Need::Read { key, .. } => {
                    answers.add(key, Found::Bytes(self.stored.clone()), NOW);
                }
                Need::List { prefix } => answers.add(prefix, Found::Bytes(Vec::new()), NOW),
                Need::Call {
                    class: Class::Directory,
                    key,
                    ..
                } => {
                    let nothing = br#"{"epoch":0,"revoked":[]}"#.to_vec();
                    answers.add(key, Found::Bytes(nothing), NOW);
                }
                other => panic!("not expected: {other:?}"),
            }
        }
    }
}
