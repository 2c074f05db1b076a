//! Generates a thousand tenants with random documents. All data of a tenant, its origins and its clients contains the
//! tenant's mark.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Map, Value, json};

use crate::encoding::base64url;
use crate::simulation::fake_io::KEY;

/// Admin token of the deployment.
pub(super) const OPERATOR: &str = "a-token-of-the-deployment";

/// Number of suffixes that tenants share by claiming names below them.
const SHARED_SUFFIXES: usize = 20;

/// One tenant in this many has a name without its mark, which another tenant may get later.
pub(super) const PLAIN_HOSTS: usize = 33;

pub(super) fn plain_host(number: usize) -> String {
    format!("plain{number}.example")
}

/// Seeded random generator.
pub(super) struct SeededRandom(ChaCha20Rng);

impl SeededRandom {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    pub(super) fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.0.next_u64() % u64::try_from(most).unwrap()).unwrap()
    }

    pub(super) fn one_in(&mut self, most: usize) -> bool {
        self.below(most) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Returns the text that only a tenant's own data contains.
pub(super) fn mark(number: usize) -> String {
    format!("zq{number:04}qz")
}

/// Tenant as the test describes it.
pub(super) struct TestTenant {
    pub(super) mark: String,
    pub(super) id: String,
    /// Hosts that clients use.
    pub(super) hosts: Vec<String>,
    pub(super) document: Value,
    pub(super) is_closed: bool,
    pub(super) has_vault: bool,
    pub(super) has_assets: bool,
    pub(super) has_provider: bool,
    pub(super) own_keys: Option<String>,
}

impl TestTenant {
    pub(super) fn new(number: usize, random: &mut SeededRandom) -> Self {
        let mark = mark(number);
        let (claims, hosts) = hosts(number, &mark, random);
        let is_closed = random.one_in(4);
        let has_provider = random.one_in(3);
        let has_assets = random.one_in(2);
        let has_vault = random.one_in(2);
        let consistency = *random.pick(&["strong", "eventual"]);
        let origins: Vec<Value> = (0..=random.below(3))
            .map(|at| json!({ "url": format!("http://o{at}.{mark}.internal:8000") }))
            .collect();
        let mut document = json!({
            "id": format!("t-{mark}"),
            "hosts": claims,
            "origins": origins,
            "login": login(&mark, is_closed, has_provider, random),
            "session": {
                "consistency": consistency,
                "idle": format!("{}h", 6 + random.below(9)),
                "cache": format!("{}s", random.below(60)),
            },
            "headers": headers(&mark, random),
            "env": { "MODEL": format!("model-{mark}"), "KEY": "secret:API_KEY" },
            "branding": branding(&mark, random),
            "routing": { "allowed_origins": [format!("https://shop.{mark}.example")] },
        });
        if has_vault {
            document["vault"] = json!(["vault_*"]);
        }
        if has_assets {
            document["assets"] = json!({
                "/logo": format!("https://cdn.{mark}.example/logo"),
                "/style.css": format!("kv:style-{mark}.css"),
            });
        }
        let own_keys = random.one_in(7).then(|| {
            let mut key = [0; 32];
            random.0.fill_bytes(&mut key);
            base64url(&key)
        });
        Self {
            id: format!("t-{mark}"),
            mark,
            hosts,
            document,
            is_closed,
            has_vault,
            has_assets,
            has_provider,
            own_keys,
        }
    }

    pub(super) fn origin_key(&self) -> String {
        format!("origin-key-{}", self.mark)
    }

    pub(super) fn admin_token(&self) -> String {
        format!("admin-token-{}", self.mark)
    }
}

fn hosts(number: usize, mark: &str, random: &mut SeededRandom) -> (Vec<String>, Vec<String>) {
    let suffix = format!("suffix{}.example", number % SHARED_SUFFIXES);
    let mut claims = vec![format!("{mark}.example")];
    let mut visited = claims.clone();
    if number % PLAIN_HOSTS == 1 {
        claims.push(plain_host(number));
        visited.push(plain_host(number));
    }
    if random.one_in(3) {
        claims.push(format!("*.{mark}.example"));
        visited.push(format!("a.b.{mark}.example"));
    }
    if number < SHARED_SUFFIXES {
        claims.push(format!("*.{suffix}"));
        visited.push(format!("of-{mark}.{suffix}"));
    } else if random.one_in(2) {
        claims.push(format!("{mark}.{suffix}"));
        visited.push(format!("{mark}.{suffix}"));
    } else if random.one_in(2) {
        claims.push(format!("*.{mark}.{suffix}"));
        visited.push(format!("www.{mark}.{suffix}"));
    }
    (claims, visited)
}

fn login(mark: &str, is_closed: bool, has_provider: bool, random: &mut SeededRandom) -> Value {
    let mode = if is_closed {
        "required"
    } else {
        random.pick(&["off", "optional"])
    };
    let provider = json!([{
        "name": format!("id-{mark}"),
        "title": format!("Provider of {mark}"),
        "issuer": format!("https://id.{mark}.example"),
        "client_id": format!("client-{mark}"),
        "client_secret": "secret:OIDC_SECRET",
        "token_auth": random.pick(&["basic", "post"]),
    }]);
    json!({
        "mode": mode,
        "exceptions": [{ "path": "/public/*", "mode": "off" }],
        "methods": {
            "password": random.one_in(3),
            "token": [{ "issuer": format!("https://tokens.{mark}.example"), "audience": "a" }],
            "oidc": if has_provider { provider } else { json!([]) },
        },
    })
}

fn headers(mark: &str, random: &mut SeededRandom) -> Value {
    let mut headers = Map::new();
    for source in ["id", "user", "email", "name", "groups", "access_token"] {
        if random.one_in(3) {
            let source_in_name = source.replace('_', "-");
            headers.insert(format!("X-{source_in_name}-{mark}"), json!(source));
        }
    }
    if random.one_in(2) {
        headers.insert("X-Webauth-User".to_owned(), json!("user"));
    }
    Value::Object(headers)
}

fn branding(mark: &str, random: &mut SeededRandom) -> Value {
    json!({
        "title": format!("Chat of {mark}"),
        "logo": format!("/logo-{mark}.svg"),
        "css": format!("main::after {{ content: \"{mark}\" }}"),
        "links": [{ "text": format!("Terms of {mark}"), "url": format!("/terms-{mark}") }],
        "locale": random.pick(&["auto", "en", "zh"]),
        "colors": { "accent": random.pick(&["#06c", "#123456", "#f80"]) },
    })
}

/// Builds the Worker's bindings.
pub(super) fn bindings(tenants: &[TestTenant]) -> Value {
    let mut bindings = json!({
        "SESSION_KEYS": base64url(&KEY),
        "ADMIN_TOKEN": OPERATOR,
        "SESSIONS": true,
        "TENANTS": true,
        "SESSION_OBJECTS": true,
        "DIRECTORY_OBJECTS": true,
        "POOL_OBJECTS": true,
        "ATTEMPT_OBJECTS": true,
    });
    for tenant in tenants {
        let mark = &tenant.mark;
        let mut bind = |name: &str, value: String| {
            let id = tenant.id.to_ascii_uppercase().replace('-', "_");
            bindings[format!("{id}__{name}")] = json!(value);
        };
        bind("API_KEY", format!("api-key-{mark}"));
        bind("OIDC_SECRET", format!("oidc-secret-{mark}"));
        bind("ORIGIN_KEY", tenant.origin_key());
        bind("ADMIN_TOKEN", tenant.admin_token());
        if let Some(own) = &tenant.own_keys {
            bind("SESSION_KEYS", own.clone());
        }
    }
    bindings
}
