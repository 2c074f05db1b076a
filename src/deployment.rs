//! The deployment's settings, read from the Worker's variables and secrets.
//!
//! Every setting is checked before the first request is served, and every fault is told at once.

use core::fmt;

use serde_json::{Map, Value};

use crate::clock::Seconds;
use crate::keys::{DeploymentKeys, KeyRing};
use crate::route::canary::Canary;
use crate::route::pool::Pool;
use crate::session::lifetime::Lifetime;
use crate::tenant::{
    ApiKey, Consistency, Fail, Live, LoginMode, Overload, Pauses, Tenant, Timeouts,
};
use crate::tenant_id::TenantId;

/// The shortest absolute limit: a record cannot be stored for less.
const SHORTEST_LIFETIME: Seconds = Seconds(60);
/// The longest: browsers keep no cookie longer than 400 days.
const LONGEST_LIFETIME: Seconds = Seconds(400 * 86_400);
/// What can be guessed is no secret.
const SHORTEST_API_KEY: usize = 16;
/// The most `X-Session-Data` may hold: with the rest it has to fit an origin's header limit.
const LARGEST_DATA_HEADER: usize = 16 * 1024;

/// The platform's rate limit on how many sessions an address begins, if it is bound.
const NEW_SESSION_LIMITER: &str = "NEW_SESSION_LIMITER";

/// A checked deployment.
pub struct Deployment {
    /// The one tenant that every host belongs to.
    pub tenant: Tenant,
    /// Where the reserved paths are: `/_session` unless set otherwise.
    pub prefix: String,
}

/// Everything that is wrong with the settings, each with its cure. Names settings, never secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misconfigured(pub Vec<String>);

impl fmt::Display for Misconfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl Deployment {
    /// Reads the settings from a JSON object of the Worker's bindings: text as it is, `true` for
    /// every other binding that is there.
    ///
    /// # Errors
    /// [`Misconfigured`] with every fault found.
    pub fn from_bindings(json: &str) -> Result<Self, Misconfigured> {
        let bindings = match serde_json::from_str(json) {
            Ok(Value::Object(bindings)) => bindings,
            _ => Map::new(),
        };
        let mut settings = Settings {
            bindings: &bindings,
            faults: Vec::new(),
        };
        let deployment = settings.read();
        match deployment {
            Some(deployment) if settings.faults.is_empty() => Ok(deployment),
            _ => Err(Misconfigured(settings.faults)),
        }
    }
}

struct Settings<'a> {
    bindings: &'a Map<String, Value>,
    faults: Vec<String>,
}

impl Settings<'_> {
    /// Reads everything, so that every fault is found, before giving up on any.
    fn read(&mut self) -> Option<Deployment> {
        let id = self.one("TENANT", "default", |text| {
            TenantId::parse(text).ok_or("a tenant id has 1 to 63 of a-z, 0-9 and -")
        });
        let keys = self.keys();
        let login = self.one("LOGIN_MODE", "off", |text| match text {
            "off" => Ok(LoginMode::Off),
            "optional" => Ok(LoginMode::Optional),
            "required" => Ok(LoginMode::Required),
            _ => Err("use off, optional or required"),
        });
        let lifetime = self.lifetime();
        let cache = self.duration("SESSION_CACHE", "5s");
        let max_data = self.one("MAX_DATA", "8192", |text| {
            text.parse()
                .ok()
                .filter(|bytes| *bytes <= LARGEST_DATA_HEADER)
                .ok_or("use a number of bytes up to 16384")
        });
        let pool = Pool::parse(self.text("ORIGINS").unwrap_or_default());
        let pool = self.note(pool);
        let canary = self.canary();
        let strict_pins = self.one("STRICT_PINS", "false", |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("use true or false"),
        });
        let new_sessions_per_minute = self.one("NEW_SESSIONS_PER_MINUTE", "0", |text| {
            text.parse()
                .map(|most: u32| (most > 0).then_some(most))
                .map_err(|_| "use a number of sessions, or 0 for no limit")
        });
        let overload = self.overload();
        let timeouts = self.timeouts();
        let pin_idle = self.limit("PIN_IDLE");
        let live = self.one("LIVE", "pass-through", |text| match text {
            "pass-through" => Ok(Live::PassThrough),
            "watched" => Ok(Live::Watched),
            _ => Err("use pass-through or watched"),
        });
        let allowed_origins = self.one("ALLOWED_ORIGINS", "", |text| {
            let listed = text
                .split(',')
                .map(str::trim)
                .filter(|origin| !origin.is_empty());
            let listed: Vec<String> = listed.map(str::to_owned).collect();
            let sound = listed.iter().all(|origin| {
                origin
                    .split_once("://")
                    .is_some_and(|(_, host)| !host.is_empty() && !host.contains('/'))
            });
            sound
                .then_some(listed)
                .ok_or("use a comma-separated list of origins such as https://shop.example")
        });
        let prefix = self.one("PREFIX", "/_session", |text| {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"/_-".contains(&b);
            let sound = text.len() > 1
                && text.starts_with('/')
                && !text.ends_with('/')
                && !text.contains("//")
                && text.bytes().all(plain);
            sound
                .then(|| text.to_owned())
                .ok_or("use a path such as /_session: lower-case letters, digits, - and _")
        });
        let consistency = self.consistency();
        let fail = self.fail();
        let max_per_user = self.one("MAX_PER_USER", "0", |text| {
            text.parse()
                .map(|most: u64| (most > 0).then_some(most))
                .map_err(|_| "use a number of sessions, or 0 for no limit")
        });
        let origin_keys = self.api_keys("ORIGIN_KEY");
        let admin_tokens = self.api_keys("ADMIN_TOKEN");
        if !self.bindings.contains_key("SESSIONS") {
            self.faults.push(
                "The KV namespace SESSIONS is not bound. Make one with: npx wrangler kv namespace create SESSIONS — and put its id into wrangler.toml."
                    .to_owned(),
            );
        }
        let id = id?;
        let keys = KeyRing::derive(&keys?, &id)?;
        let tenant = Tenant {
            id,
            keys,
            login: login?,
            lifetime: lifetime?,
            consistency: consistency?,
            fail: fail?,
            max_per_user: max_per_user?,
            origin_keys: origin_keys?,
            admin_tokens: admin_tokens?,
            cache: cache?,
            max_data: max_data?,
            pool: pool?,
            canary: canary?,
            strict_pins: strict_pins?,
            new_sessions_per_minute: new_sessions_per_minute?,
            overload: overload?,
            timeouts: timeouts?,
            pin_idle: pin_idle?,
            new_sessions_are_limited: self.bindings.contains_key(NEW_SESSION_LIMITER),
            live: live?,
            allowed_origins: allowed_origins?,
        };
        Some(Deployment {
            tenant,
            prefix: prefix?,
        })
    }

    fn keys(&mut self) -> Option<DeploymentKeys> {
        let parsed = DeploymentKeys::parse(self.text("SESSION_KEYS").unwrap_or_default());
        let parsed = parsed.map_err(|error| {
            format!("{error}. Make one with: openssl rand -base64 32 | tr '+/' '-_' | tr -d '=' — and set it with: npx wrangler secret put SESSION_KEYS.")
        });
        self.note(parsed)
    }

    fn lifetime(&mut self) -> Option<Lifetime> {
        let idle = self.duration("SESSION_IDLE", "8h")?;
        let absolute = self.duration("SESSION_ABSOLUTE", "7d")?;
        if absolute < SHORTEST_LIFETIME || absolute > LONGEST_LIFETIME {
            self.faults
                .push("SESSION_ABSOLUTE: use 60s to 400d.".to_owned());
            return None;
        }
        if idle.0 == 0 || idle > absolute {
            self.faults
                .push("SESSION_IDLE: use at least 1s and at most SESSION_ABSOLUTE.".to_owned());
            return None;
        }
        let remember = self.duration("SESSION_REMEMBER", "30d")?;
        if remember < SHORTEST_LIFETIME || remember > LONGEST_LIFETIME {
            self.faults
                .push("SESSION_REMEMBER: use 60s to 400d.".to_owned());
            return None;
        }
        Some(Lifetime {
            idle,
            absolute,
            remember,
        })
    }

    fn consistency(&mut self) -> Option<Consistency> {
        let consistency = self.one("CONSISTENCY", "strong", |text| match text {
            "strong" => Ok(Consistency::Strong),
            "eventual" => Ok(Consistency::Eventual),
            _ => Err("use strong or eventual"),
        })?;
        if consistency == Consistency::Strong {
            for binding in ["SESSION_OBJECTS", "DIRECTORY_OBJECTS", "POOL_OBJECTS"] {
                if !self.bindings.contains_key(binding) {
                    self.faults.push(format!("The Durable Objects {binding} are not bound. Copy their bindings and the migration from the project's wrangler.toml, or set CONSISTENCY to eventual."));
                }
            }
        }
        Some(consistency)
    }

    fn canary(&mut self) -> Option<Option<Canary>> {
        let header = self.one("CANARY_HEADER", "", |text| match text.split_once(':') {
            _ if text.is_empty() => Ok(None),
            Some((name, value)) if !name.trim().is_empty() => Ok(Some((
                name.trim().to_ascii_lowercase(),
                value.trim().to_owned(),
            ))),
            _ => Err("use a header and its value, such as x-beta: 1"),
        });
        let canary = self.one("CANARY", "", Canary::parse);
        Some(canary?.map(|canary| Canary {
            header: header.clone().flatten(),
            ..canary
        }))
    }

    fn overload(&mut self) -> Option<Overload> {
        let reported = self.one("OVERLOAD_LOAD", "0", |text| {
            text.parse::<u64>()
                .ok()
                .filter(|percent| *percent <= 1_000)
                .map(|percent| (percent > 0).then_some(percent * 10))
                .ok_or("use the percentage an origin may report, or 0")
        });
        let under_way = self.one("OVERLOAD_IN_FLIGHT", "0", |text| {
            text.parse::<u32>()
                .map(|most| (most > 0).then_some(most))
                .map_err(|_| "use a number of requests, or 0")
        });
        let first_byte = self.one("OVERLOAD_FIRST_BYTE", "0s", |text| {
            Seconds::parse(text).map(|limit| {
                let ms = limit.0.saturating_mul(1000);
                u32::try_from(ms).ok().filter(|ms| *ms > 0)
            })
        });
        Some(Overload {
            first_byte_ms: first_byte?,
            reported: reported?,
            under_way: under_way?,
        })
    }

    fn timeouts(&mut self) -> Option<Timeouts> {
        let first_byte = self.duration("FIRST_BYTE_TIMEOUT", "100s");
        let handshake = self.duration("HANDSHAKE_TIMEOUT", "30s");
        let keep_alive = self.limit("STREAM_KEEP_ALIVE");
        let answer = self.limit("IDLE_TIMEOUT_ANSWER");
        let stream = self.limit("IDLE_TIMEOUT_STREAM");
        let socket = self.limit("IDLE_TIMEOUT_SOCKET");
        Some(Timeouts {
            first_byte: first_byte?,
            handshake: handshake?,
            pauses: Pauses {
                keep_alive: keep_alive?,
                answer: answer?,
                stream: stream?,
                socket: socket?,
            },
        })
    }

    /// A duration, or none: `0s`, the default.
    fn limit(&mut self, name: &'static str) -> Option<Option<Seconds>> {
        let limit = self.duration(name, "0s")?;
        Some((limit > Seconds(0)).then_some(limit))
    }

    fn fail(&mut self) -> Option<Fail> {
        let grace = self.duration("FAIL_GRACE", "15m");
        self.one("FAIL", "closed", |text| match text {
            "closed" => Ok(Fail::Closed),
            "grace" => Ok(Fail::Grace(grace.unwrap_or_default())),
            _ => Err("use closed or grace"),
        })
    }

    /// A comma-separated list, so that a key can be replaced without a gap.
    fn api_keys(&mut self, name: &'static str) -> Option<Vec<ApiKey>> {
        self.one(name, "", |text| {
            let listed = text.split(',').map(str::trim);
            let listed: Vec<&str> = listed.filter(|key| !key.is_empty()).collect();
            let sound = listed.iter().all(|key| key.len() >= SHORTEST_API_KEY);
            sound
                .then(|| listed.iter().map(|key| ApiKey::new(key)).collect())
                .ok_or("use keys of at least 16 characters, separated by commas")
        })
    }

    fn duration(&mut self, name: &'static str, default: &'static str) -> Option<Seconds> {
        self.one(name, default, Seconds::parse)
    }

    fn one<T, E: fmt::Display>(
        &mut self,
        name: &'static str,
        default: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let parsed =
            parse(self.text(name).unwrap_or(default)).map_err(|error| format!("{name}: {error}."));
        self.note(parsed)
    }

    fn note<T, E: fmt::Display>(&mut self, parsed: Result<T, E>) -> Option<T> {
        parsed
            .map_err(|error| self.faults.push(error.to_string()))
            .ok()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.bindings
            .get(name)
            .and_then(Value::as_str)
            .map(str::trim)
            .filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(changes: &Value) -> Result<Deployment, Vec<String>> {
        let mut bindings = json!({
            "SESSION_KEYS": crate::encoding::base64url(&[7; 32]),
            "ORIGINS": "http://127.0.0.1:8000",
            "SESSIONS": true,
            "SESSION_OBJECTS": true,
            "DIRECTORY_OBJECTS": true,
            "POOL_OBJECTS": true,
        });
        for (name, value) in changes.as_object().unwrap() {
            bindings[name] = value.clone();
        }
        Deployment::from_bindings(&bindings.to_string()).map_err(|error| error.0)
    }

    #[test]
    fn keys_and_origins_are_enough() {
        let deployment = read(&json!({})).unwrap();
        assert_eq!(deployment.prefix, "/_session");
        assert_eq!(deployment.tenant.id.as_str(), "default");
        assert_eq!(
            deployment.tenant.lifetime,
            Lifetime {
                idle: Seconds(28_800),
                absolute: Seconds(604_800),
                remember: Seconds(2_592_000),
            }
        );
    }

    #[test]
    fn every_fault_is_told_at_once_with_its_cure() {
        let faults = read(&json!({
            "SESSION_KEYS": "", "ORIGINS": "", "TENANT": "A", "LOGIN_MODE": "x", "SESSION_IDLE": "5",
            "SESSION_CACHE": "x", "MAX_DATA": "1e9", "LIVE": "x", "ALLOWED_ORIGINS": "shop.example", "PREFIX": "/",
            "CONSISTENCY": "x", "FAIL": "x", "MAX_PER_USER": "-1", "ORIGIN_KEY": "short", "ADMIN_TOKEN": "short",
            "CANARY": "v2", "CANARY_HEADER": "x", "STRICT_PINS": "x", "OVERLOAD_LOAD": "x", "OVERLOAD_IN_FLIGHT": "x",
            "OVERLOAD_FIRST_BYTE": "x",
            "NEW_SESSIONS_PER_MINUTE": "x", "HANDSHAKE_TIMEOUT": "x", "STREAM_KEEP_ALIVE": "x", "PIN_IDLE": "x",
        }))
        .err()
        .unwrap();
        for (fault, name) in faults.iter().zip([
            "TENANT",
            "SESSION_KEYS",
            "LOGIN_MODE",
            "SESSION_IDLE",
            "SESSION_CACHE",
            "MAX_DATA",
            "ORIGINS",
            "CANARY_HEADER",
            "CANARY",
            "STRICT_PINS",
            "NEW_SESSIONS_PER_MINUTE",
            "OVERLOAD_LOAD",
            "OVERLOAD_IN_FLIGHT",
            "OVERLOAD_FIRST_BYTE",
            "HANDSHAKE_TIMEOUT",
            "STREAM_KEEP_ALIVE",
            "PIN_IDLE",
            "LIVE",
            "ALLOWED_ORIGINS",
            "PREFIX",
            "CONSISTENCY",
            "FAIL",
            "MAX_PER_USER",
            "ORIGIN_KEY",
            "ADMIN_TOKEN",
        ]) {
            assert!(fault.contains(name), "{name}: {fault}");
        }
        assert_eq!(faults.len(), 25);
    }

    #[test]
    fn a_missing_namespace_is_told() {
        let faults = Deployment::from_bindings("{}").err().unwrap().0;
        assert!(
            faults
                .iter()
                .any(|fault| fault.contains("kv namespace create")),
            "{faults:?}"
        );
    }

    #[test]
    fn missing_objects_are_told_unless_nobody_needs_them() {
        let read_without = |consistency: &str| {
            let bindings = json!({
                "SESSION_KEYS": crate::encoding::base64url(&[7; 32]),
                "ORIGINS": "http://127.0.0.1:8000",
                "SESSIONS": true,
                "CONSISTENCY": consistency,
            });
            Deployment::from_bindings(&bindings.to_string())
        };
        assert_eq!(
            read_without("strong").err().map(|error| error.0.len()),
            Some(3)
        );
        assert!(read_without("eventual").is_ok());
    }

    #[test]
    fn impossible_lifetimes_are_refused() {
        for changes in [
            json!({ "SESSION_ABSOLUTE": "59s" }),
            json!({ "SESSION_ABSOLUTE": "401d" }),
            json!({ "SESSION_IDLE": "0s" }),
            json!({ "SESSION_IDLE": "8d" }),
            json!({ "SESSION_REMEMBER": "1s" }),
        ] {
            assert!(read(&changes).is_err(), "{changes}");
        }
    }
}
