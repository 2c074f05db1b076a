//! Checks the Worker's bindings: keys, settings for all tenants, and the storage of tenants' documents.
//!
//! The checks run before the first request, and report every fault at once.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::auth::provider::is_confidential;
use crate::config::layers::Layers;
use crate::config::renamed::FORMER_VARIABLES;
use crate::config::{Fault, variables};
use crate::encoding::json;
use crate::encoding::quoted;
use crate::http::host::Host;
use crate::http::qualifier::{self, TenantBy};
use crate::keys::{BadKeys, DeploymentKeys};
use crate::policy::Streams;
use crate::secrets::{Secrets, binding};
use crate::store::namespaces::SHARED;
use crate::telemetry::histogram::Bounds;
use crate::tenant::Tenant;
use crate::tenant_id::TenantId;

/// Bindings that select where tenants' documents are stored, in a deployment with several tenants.
const SOURCES: [&str; 3] = ["TENANTS", "TENANTS_URL", "TENANTS_DB"];

/// Name of this Worker in log lines and traces, unless `SERVICE_NAME` is set.
pub(crate) const DEFAULT_SERVICE: &str = "vestibule";

/// Checked settings of a deployment.
pub(crate) struct Deployment {
    /// Deployment keys, from which each tenant's keys are derived.
    pub keys: DeploymentKeys,
    /// Bindings that only the Worker may read.
    pub secrets: Secrets,
    /// Variables as a document: the defaults of every tenant.
    pub defaults: Value,
    /// The only tenant, to which every host belongs; `None` if documents define the tenants.
    pub tenant: Option<Tenant>,
    /// Parts of a request that select its tenant.
    pub tenant_by: TenantBy,
    /// Path prefix of the reserved paths; `/_session` by default.
    pub prefix: String,
    /// Tenants whose records are in a namespace of their own.
    pub own_namespaces: Vec<TenantId>,
    /// Name of this Worker in log lines and traces.
    pub service: String,
    /// Whether this Worker can follow open streams and end them with their session. If not, every tenant's streams are
    /// passed through.
    pub follows_streams: bool,
}

/// Invalid setting, with its fix. The message names settings and never quotes one that may be secret, because every
/// client can read it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
enum SettingError {
    #[error(
        "{0}. Make one with: openssl rand -base64 32 | tr '+/' '-_' | tr -d '=' — and set it with: npx wrangler secret put SESSION_KEYS."
    )]
    Keys(#[from] BadKeys),
    #[error(
        "PREFIX: {} cannot be used; use a path such as /_session: lower-case letters, digits, - and _.", quoted(.0)
    )]
    Prefix(String),
    #[error(
        "The KV namespace SESSIONS is not bound. Make one with: npx wrangler kv namespace create SESSIONS — and put its id into wrangler.toml."
    )]
    Namespace,
    #[error(
        "{0} is a text, and must be a KV namespace. Make one with: npx wrangler kv namespace create {0} — and put its id into wrangler.toml; or remove it, and the tenant's records are in SESSIONS."
    )]
    TenantNamespace(String),
    #[error(
        "TENANTS_URL: use https://host/path without ? and #; plain http is accepted on this very machine only."
    )]
    TenantsUrl,
    #[error(
        "TENANTS_TOKEN: use printable ASCII characters without blanks; it is sent as a bearer token."
    )]
    TenantsToken,
    #[error(
        "TENANT_BY: use host, path and up to four of header:NAME, separated by commas, such as path or header:X-Tenant. NAME begins with X-, and is a header that the proxy before Vestibule sets."
    )]
    TenantBy,
    #[error(
        "CONSOLE_HOST: {} is not a host; use one such as console.example.com in lower case, without scheme, port and path.", quoted(.0)
    )]
    ConsoleHost(String),
    #[error(
        "METRICS_BUCKETS: use 1 to 30 ascending numbers of seconds with at most three decimals, up to 3600, such as 0.1,0.3,0.5,1,3."
    )]
    Buckets,
    #[error("SERVICE_NAME: use 1 to 64 letters, digits, dots, - and _.")]
    Service,
    #[error("{0}")]
    Former(&'static str),
}

/// All faults of the settings, each with its fix. Names settings, never secrets.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .0.join(" "))]
pub struct Misconfigured(pub Vec<String>);

impl Deployment {
    /// Reads the settings from a JSON object of the Worker's bindings: text as it is, an object for a binding that can
    /// send requests, and `true` for every other one.
    ///
    /// # Errors
    /// Returns [`Misconfigured`] with every fault found.
    pub(crate) fn from_bindings(json: &str) -> Result<Self, Misconfigured> {
        let bindings = match serde_json::from_str(json) {
            Ok(Value::Object(bindings)) => bindings,
            _ => Map::new(),
        };
        let mut errors = Vec::new();
        let secrets = Secrets::new(bindings);
        let keys = keys(&secrets).map_err(|error| errors.push(error)).ok();
        let prefix = prefix(&secrets).map_err(|error| errors.push(error)).ok();
        if !secrets.has(SHARED) {
            errors.push(SettingError::Namespace);
        }
        let mut own_namespaces = Vec::new();
        for (tenant, bound) in secrets.tenants_with(SHARED) {
            if bound.is_string() {
                errors.push(SettingError::TenantNamespace(binding(&tenant, SHARED)));
            }
            own_namespaces.push(tenant);
        }
        errors.extend(service_faults(&secrets));
        errors.extend(former_variables(&secrets));
        errors.extend(console_host(&secrets));
        errors.extend(buckets(&secrets));
        let tenant_by = TenantBy::parse(secrets.of_deployment("TENANT_BY").unwrap_or("host"));
        errors.extend(tenant_by.is_none().then_some(SettingError::TenantBy));
        let service = service_name(&secrets);
        errors.extend(service.is_none().then_some(SettingError::Service));
        let mut faults: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let defaults = variables::to_document(&secrets);
        let has_documents = SOURCES.iter().any(|source| secrets.has(source));
        let tenant = match only_tenant(&defaults, keys.as_ref(), &secrets) {
            Ok(tenant) => Some(tenant),
            Err(found) => {
                // Tenants may have origins of their own.
                let concerns_all = |fault: &&Fault| !has_documents || fault.path != "ORIGINS";
                faults.extend(found.iter().filter(concerns_all).map(ToString::to_string));
                None
            }
        };
        match (keys, prefix, service) {
            (Some(keys), Some(prefix), Some(service)) if faults.is_empty() => Ok(Self {
                tenant_by: tenant_by.unwrap_or_default(),
                keys,
                secrets,
                defaults,
                tenant: tenant.filter(|_| !has_documents),
                prefix,
                own_namespaces,
                service,
                follows_streams: true,
            }),
            _ => Err(Misconfigured(faults)),
        }
    }

    /// Returns the keys from which a tenant's keys are derived: its own if it has any, else the deployment's.
    #[must_use]
    pub(crate) fn keys_of(&self, tenant: &TenantId) -> Option<DeploymentKeys> {
        match self.secrets.of_tenant(tenant, "SESSION_KEYS") {
            Some(own) => DeploymentKeys::parse(own).ok(),
            None => Some(self.keys.clone()),
        }
    }

    /// Builds the tenant that a document describes. The deployment's settings fill in what the document omits.
    ///
    /// # Errors
    /// Returns every fault of the document.
    pub(crate) fn tenant_of(&self, document: &Value) -> Result<Tenant, Vec<Fault>> {
        let mut defaults = self.defaults.clone();
        // No document takes the id of the default tenant.
        if let Some(members) = defaults.as_object_mut() {
            members.remove("id");
        }
        let layers = Layers {
            deployment: defaults,
            tenant: document.clone(),
        };
        let document = layers.read()?;
        let mut tenant = Tenant::from_document(&document, Some(&self.keys), &self.secrets)
            .map_err(|faults| layers.name_variables(faults))?;
        if !self.follows_streams {
            tenant.streams = Streams::PassThrough;
        }
        tenant.tenant_by = self.tenant_by.clone();
        let faults: Vec<Fault> = self.hosts_without_requests(&tenant).collect();
        if faults.is_empty() {
            Ok(tenant)
        } else {
            Err(faults)
        }
    }

    /// Returns the faults of hosts whose path or values no request can have under `TENANT_BY`.
    fn hosts_without_requests(&self, tenant: &Tenant) -> impl Iterator<Item = Fault> {
        let hosts = tenant.hosts.iter().enumerate();
        let unfit = hosts.filter(|(_, host)| !self.tenant_by.can_be(host.qualifier()));
        unfit.map(|(at, host)| {
            let (path, _) = qualifier::split(host.qualifier());
            let lacks_path = !path.is_empty() && !self.tenant_by.path;
            Fault {
                path: format!("hosts[{at}]"),
                problem: if lacks_path {
                    "a path selects no tenant here; set the variable TENANT_BY to path, or remove the path".to_owned()
                } else {
                    "give one value for each header that the variable TENANT_BY lists, or none".to_owned()
                },
            }
        })
    }
}

fn only_tenant(
    defaults: &Value,
    keys: Option<&DeploymentKeys>,
    secrets: &Secrets,
) -> Result<Tenant, Vec<Fault>> {
    let mut deployment = json!({ "id": "default", "origins": json!([]) });
    if let (Some(base), Some(variables)) = (deployment.as_object_mut(), defaults.as_object()) {
        base.extend(variables.clone());
    }
    let layers = Layers {
        deployment,
        tenant: Value::Null,
    };
    let document = layers.read()?;
    Tenant::from_document(&document, keys, secrets).map_err(|faults| layers.name_variables(faults))
}

fn keys(secrets: &Secrets) -> Result<DeploymentKeys, SettingError> {
    let list = secrets.of_deployment("SESSION_KEYS").unwrap_or_default();
    Ok(DeploymentKeys::parse(list)?)
}

/// Checks how the Worker reaches the document service. A forged response would change the tenants' access rules, and a
/// readable request would expose the service's credential.
fn service_faults(secrets: &Secrets) -> impl Iterator<Item = SettingError> {
    let url = secrets.of_deployment("TENANTS_URL");
    let is_url_unfit = url.is_some_and(|url| !is_confidential(url) || url.contains('?'));
    let token = secrets.of_deployment("TENANTS_TOKEN");
    let is_sendable = |token: &str| token.bytes().all(|b| b.is_ascii_graphic());
    let is_token_unfit = token.is_some_and(|token| !is_sendable(token));
    let url = is_url_unfit.then_some(SettingError::TenantsUrl);
    let token = is_token_unfit.then_some(SettingError::TenantsToken);
    url.into_iter().chain(token)
}

/// Returns the errors for variables set under a former name.
fn former_variables(secrets: &Secrets) -> impl Iterator<Item = SettingError> {
    let set = FORMER_VARIABLES
        .iter()
        .filter(|(name, _)| secrets.of_deployment(name).is_some());
    set.map(|(_, cure)| SettingError::Former(cure))
}

/// Checks the console's host. If no request could have it, the console would be unreachable without any error.
fn console_host(secrets: &Secrets) -> Option<SettingError> {
    let own = secrets.of_deployment("CONSOLE_HOST")?;
    let is_sound = Host::canonical(own).is_some_and(|host| host.as_str() == own);
    (!is_sound).then(|| SettingError::ConsoleHost(own.to_owned()))
}

/// What log lines and traces call this Worker: a name that needs no escape in JSON.
fn service_name(secrets: &Secrets) -> Option<String> {
    let name = secrets.of_deployment("SERVICE_NAME");
    let name = name.unwrap_or(DEFAULT_SERVICE);
    let is_sound = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    ((1..=64).contains(&name.len()) && name.bytes().all(is_sound)).then(|| name.to_owned())
}

/// What is wrong with the bounds of the histograms.
fn buckets(secrets: &Secrets) -> Option<SettingError> {
    let own = secrets.of_deployment("METRICS_BUCKETS")?;
    Bounds::parse(own)
        .is_none()
        .then_some(SettingError::Buckets)
}

fn prefix(secrets: &Secrets) -> Result<String, SettingError> {
    let text = secrets.prefix();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"/_-".contains(&b);
    let is_sound = text.len() > 1
        && text.starts_with('/')
        && !text.ends_with('/')
        && !text.contains("//")
        && text.bytes().all(plain);
    let text = text.to_owned();
    if is_sound {
        Ok(text)
    } else {
        Err(SettingError::Prefix(text))
    }
}

#[cfg(test)]
mod tests;
