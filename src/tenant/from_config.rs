//! Converts a tenant document into the policy that decisions use.

use std::rc::Rc;

use super::assets::Assets;
use super::environment::Environment;
use super::faults::Faults;
use super::patches::Patches;
use super::proof_key::ProofKey;
use super::{
    ApiKey, Consistency, Fail, Overload, Pauses, Queue, Sampling, Telemetry, Tenant, Timeouts,
};
use crate::clock::Seconds;
use crate::config::Fault;
use crate::config::branding::Branding;
use crate::config::model::{Document, FailMode, Session};
use crate::config::values::{PathPattern, Site};
use crate::http::host::HostPattern;
use crate::http::qualifier::TenantBy;
use crate::http::{header_name, qualifier, reserved_headers};
use crate::keys::{DeploymentKeys, KeyRing};
use crate::policy::Streams;
use crate::response::theme::Brand;
use crate::response::theme::palette::Colors;
use crate::secrets::Secrets;
use crate::session::lifetime::Lifetime;
use crate::tenant_id::TenantId;

/// Minimum absolute limit: KV stores no record for less.
const MIN_LIFETIME: Seconds = Seconds(60);
/// Maximum limit: browsers keep no cookie longer than 400 days.
const MAX_LIFETIME: Seconds = Seconds(400 * 86_400);

/// Maximum number of routes: each has a histogram per method and status.
const MAX_ROUTES: usize = 32;

/// Binding of the platform's rate limiter for new sessions per address.
const NEW_SESSION_LIMITER: &str = "NEW_SESSION_LIMITER";

/// Whether open streams and sockets can be revalidated. The data plane does that, and the library has none. There an
/// opened stream counts as use instead, whatever the document sets.
const CAN_REVOKE_STREAMS: bool = cfg!(any(test, feature = "standalone"));

impl Tenant {
    /// Builds the tenant of a document, with its own keys (`<ID>__SESSION_KEYS`) or else the deployment's.
    ///
    /// # Errors
    /// Returns the faults that involve several values; the list is empty if there are no keys.
    pub(crate) fn from_document(
        document: &Document,
        keys: Option<&DeploymentKeys>,
        secrets: &Secrets,
    ) -> Result<Self, Vec<Fault>> {
        let id = &document.id;
        let mut faults = Faults(Vec::new());
        let own_keys = secrets
            .of_tenant(id, "SESSION_KEYS")
            .map(DeploymentKeys::parse);
        let keys = match own_keys {
            None => keys.cloned(),
            Some(Ok(own)) => Some(own),
            Some(Err(bad)) => {
                faults.add("id", format!("its own SESSION_KEYS: {bad}"));
                None
            }
        };
        let routing = &document.routing;
        let session = &document.session;
        let lifetime = lifetime(session, &mut faults);
        if !(3..=3_600).contains(&routing.overload.queue_timeout.0) {
            faults.add("routing.overload.queue_timeout", "use 3s to 1h");
        }
        let rules = super::releases::rules(routing, &mut faults);
        let pools = super::origins::pools(&document.origins.0, &rules, (id, secrets), &mut faults);
        let needs_objects = session.consistency == Consistency::Strong;
        let lists = super::origins::lists(document, &mut faults);
        for objects in ["SESSION_OBJECTS", "DIRECTORY_OBJECTS", "POOL_OBJECTS"] {
            if needs_objects && !secrets.has(objects) {
                faults.add("session.consistency", format!("the Durable Objects {objects} are not bound; copy their bindings and the migration from the project's wrangler.toml, or use eventual"));
            }
        }
        if session.max_sessions > 0 && !needs_objects {
            faults.add(
                "session.max_sessions",
                "only the tenant's object counts sessions; use session.consistency strong",
            );
        }
        // Objects count password attempts across isolates, and end the sessions of tokens and providers.
        let signs_in = &document.login.methods;
        let counts = signs_in.password || !signs_in.token.is_empty() || !signs_in.oidc.is_empty();
        if needs_objects && counts && !secrets.has("ATTEMPT_OBJECTS") {
            faults.add("login.methods", "the Durable Objects ATTEMPT_OBJECTS are not bound; copy their binding and the migration from the project's wrangler.toml, or use session.consistency eventual");
        }
        let env = Environment::new(document, secrets, &mut faults);
        let methods = super::sign_in::methods(document, secrets, &mut faults);
        let mapped_headers = mapped_headers(document, &mut faults);
        let assets = Assets::of(document, secrets.prefix(), &mut faults);
        let patches = Patches::of(document, secrets.prefix(), &mut faults);
        public_paths(document, &mut faults);
        let path = path(&document.hosts, &mut faults);
        if document.telemetry.routes.len() > MAX_ROUTES {
            faults.add("telemetry.routes", "use at most 32");
        }
        let mut api_keys = |name: &str| api_keys(id, name, secrets, &mut faults);
        let (origin_keys, admin_tokens) = (api_keys("ORIGIN_KEY"), api_keys("ADMIN_TOKEN"));
        let proof = session
            .proof
            .then(|| proof(id, secrets, &mut faults))
            .flatten();
        let keys = keys.as_ref().and_then(|keys| KeyRing::derive(keys, id));
        let (Some(keys), Some(pools), true) = (keys, pools, faults.0.is_empty()) else {
            return Err(faults.0);
        };
        let trusted = document.embed.iter();
        let embed_sites: Vec<_> = trusted.map(|site| site.0.clone()).collect();
        Ok(Self {
            id: id.clone(),
            hosts: document.hosts.clone(),
            tenant_by: TenantBy::default(),
            keys,
            login: document.login.mode,
            methods,
            clear_cookies: document.login.clear_cookies.clone(),
            clear_site_data: super::sign_in::clear_site_data(document),
            vault: document.vault.clone(),
            login_exceptions: document.login.exceptions.clone(),
            lifetime,
            consistency: session.consistency,
            fail: match session.fail {
                FailMode::Closed => Fail::Closed,
                FailMode::Grace => Fail::Grace(session.fail_grace),
            },
            max_per_user: some(session.max_per_user),
            max_sessions: some(session.max_sessions),
            origin_keys,
            admin_tokens,
            cache: session.cache,
            max_data: usize::try_from(session.max_data.0).unwrap_or(usize::MAX),
            releases: super::releases::releases(rules, &pools.default),
            lists,
            pools: Rc::new(pools),
            strict_pins: routing.strict_pins,
            pin_idle: limit(routing.pin_idle),
            new_sessions_are_limited: secrets.has(NEW_SESSION_LIMITER),
            new_sessions_per_minute: some(routing.new_sessions_per_minute),
            requests_per_second: some(routing.requests_per_second),
            max_in_flight: some(routing.max_in_flight),
            overload: Overload {
                reported: some(u64::from(routing.overload.load.0) * 10),
                under_way: some(routing.overload.in_flight),
                first_byte_ms: limit(routing.overload.first_byte)
                    .and_then(|limit| u32::try_from(limit.0.saturating_mul(1000)).ok()),
                queue: some(routing.overload.queue.0).map(|places| Queue {
                    places,
                    timeout: routing.overload.queue_timeout,
                }),
            },
            timeouts: Timeouts {
                first_byte: routing.timeouts.first_byte,
                handshake: routing.timeouts.handshake,
                pauses: Pauses {
                    keep_alive: limit(routing.timeouts.keep_alive),
                    answer: limit(routing.timeouts.idle_answer),
                    stream: limit(routing.timeouts.idle_stream),
                    socket: limit(routing.timeouts.idle_socket),
                },
            },
            streams: if CAN_REVOKE_STREAMS {
                session.streams
            } else {
                Streams::PassThrough
            },
            proof,
            asserts: session.assertion,
            mapped_headers,
            env,
            assets,
            patches,
            public_paths: document.cache.clone(),
            cors_origins: with_trusted(&document.cors.origins, &embed_sites),
            allowed_origins: with_trusted(&routing.allowed_origins, &embed_sites),
            embed_sites,
            brand: brand(&document.branding, path),
            telemetry: Telemetry {
                log: document.telemetry.log,
                sampling: Sampling {
                    one_in: secrets
                        .of_deployment("OTLP_ENDPOINT")
                        .map(|_| document.telemetry.trace_one_in),
                    callers: document.telemetry.trace_callers,
                },
                server_timing: document.telemetry.server_timing,
            },
            routes: document.telemetry.routes.clone(),
        })
    }
}

/// Returns the sites of a list, and those that the tenant trusts.
fn with_trusted(sites: &[Site], trusted: &[String]) -> Vec<String> {
    let sites = sites.iter().map(|site| &site.0);
    sites.chain(trusted).cloned().collect()
}

fn some<T: Default + PartialEq>(limit: T) -> Option<T> {
    (limit != T::default()).then_some(limit)
}

fn limit(limit: Seconds) -> Option<Seconds> {
    some(limit)
}

fn lifetime(session: &Session, faults: &mut Faults) -> Lifetime {
    let Session {
        idle,
        absolute,
        remember,
        ..
    } = *session;
    for (name, span) in [("absolute", absolute), ("remember", remember)] {
        if span < MIN_LIFETIME || span > MAX_LIFETIME {
            faults.add(&format!("session.{name}"), "use 60s to 400d");
        }
    }
    if idle.0 == 0 || idle > absolute {
        faults.add(
            "session.idle",
            "use at least 1s and at most session.absolute",
        );
    }
    Lifetime {
        idle,
        absolute,
        remember,
    }
}

/// Returns the path below which the hosts serve the tenant. It is part of the reserved paths, so there is one.
fn path(hosts: &[HostPattern], faults: &mut Faults) -> String {
    let mut paths = hosts
        .iter()
        .map(|host| qualifier::split(host.qualifier()).0);
    let path = paths.next().unwrap_or_default();
    if paths.any(|other| other != path) {
        faults.add("hosts", "give all hosts the same path, or none");
    }
    path.to_owned()
}

fn brand(branding: &Branding, path: String) -> Brand {
    let usual = Colors::default();
    let colors = Colors {
        accent: branding.colors.accent.unwrap_or(usual.accent),
        background: branding.colors.background.unwrap_or(usual.background),
        text: branding.colors.text.unwrap_or(usual.text),
    };
    let css = branding.css.as_ref().map_or("", |css| &css.0);
    let links = branding.links.iter();
    Brand {
        title: branding
            .title
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        logo: branding.logo.as_ref().map(ToString::to_string),
        colors: colors.to_css(),
        // Browsers drop CR (HTML section 13.2.3.5), and hash the result.
        css: css.replace('\r', ""),
        links: links
            .map(|link| (link.text.0.clone(), link.url.0.clone()))
            .collect(),
        locale: branding.locale.fixed(),
        path,
    }
}

#[inline(never)]
fn mapped_headers(document: &Document, faults: &mut Faults) -> Vec<(String, super::HeaderSource)> {
    let mut mapped = Vec::new();
    for (name, source) in document.headers.iter() {
        let lower = name.to_ascii_lowercase();
        // Clients' header names are folded before they are compared with this one.
        if lower.is_empty() || header_name::fold(&lower) != lower {
            faults.add(
                &format!("headers.{name}"),
                "use the name of a header: letters and digits, single - between them",
            );
        } else if reserved_headers::is_ours(&lower) {
            faults.add(
                &format!("headers.{name}"),
                "this header is set already, or must not be set",
            );
        } else {
            mapped.push((lower, *source));
        }
    }
    mapped
}

/// Reports cacheable paths that require a sign-in: their responses differ by user.
#[inline(never)]
fn public_paths(document: &Document, faults: &mut Faults) {
    let login = &document.login;
    let is_open = |pattern: &PathPattern| {
        let mut exceptions = login.exceptions.iter();
        let exception = exceptions.find(|exception| {
            let methods = &exception.methods;
            let is_get = methods.is_empty() || methods.iter().any(|method| method.0 == "GET");
            is_get && exception.path.matches(pattern.beginning())
        });
        let mode = exception.map_or(login.mode, |exception| exception.mode);
        mode.admits_guests()
    };
    for (at, pattern) in document.cache.iter().enumerate() {
        if !is_open(pattern) {
            faults.add(
                &format!("cache[{at}]"),
                "signing in is required there; what is kept for everybody needs a login exception with mode off or optional",
            );
        }
    }
}

/// Builds the key that signs requests to this tenant's origins: the first of their API keys.
#[inline(never)]
fn proof(id: &TenantId, secrets: &Secrets, faults: &mut Faults) -> Option<ProofKey> {
    let first = |list: &str| list.split(',').next().unwrap_or_default().trim().to_owned();
    let [own, shared] = key_lists(id, "ORIGIN_KEY", secrets);
    let key = own.or(shared).map(first);
    let key = key.and_then(|secret| ProofKey::new(&secret));
    if key.is_none() {
        faults.add("session.proof", "it needs the secret ORIGIN_KEY");
    }
    key
}

/// Returns the tenant's own list of keys, and the deployment's if it applies.
fn key_lists<'s>(id: &TenantId, name: &str, secrets: &'s Secrets) -> [Option<&'s str>; 2] {
    // The deployment's operators act for all tenants, its origin key only for its own tenant.
    let is_shared = name == "ADMIN_TOKEN"
        || secrets.of_deployment("TENANT").unwrap_or("default") == id.as_str();
    [
        secrets.of_tenant(id, name),
        secrets.of_deployment(name).filter(|_| is_shared),
    ]
}

/// Parses the keys that open an API to this tenant's origins or operators.
fn api_keys(id: &TenantId, name: &str, secrets: &Secrets, faults: &mut Faults) -> Vec<ApiKey> {
    let mut keys = Vec::new();
    for list in key_lists(id, name, secrets).into_iter().flatten() {
        match ApiKey::listed(list) {
            Some(listed) => keys.extend(listed),
            None => faults.add(
                name,
                "use keys of at least 16 characters, separated by commas",
            ),
        }
    }
    keys
}
