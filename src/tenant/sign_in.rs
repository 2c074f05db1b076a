//! Converts the sign-in section of a tenant document.

use super::faults::{Faults, OWN_SECRETS};
use crate::auth::authorization;
use crate::auth::claimed;
use crate::auth::methods::{AccessTeam, Allow, ClaimNames, Issuer, Methods, Provider};
use crate::config::model::{Access, AllowedUsers, Claims, Document, OidcProvider, TokenIssuer};
use crate::policy::SiteData;
use crate::secrets::{Secrets, binding};
use crate::tenant_id::TenantId;

/// Default scopes requested from a provider.
const SCOPES: &str = "openid email profile";

/// Scope without which a provider returns no ID token (OpenID Connect Core section 3.1.2.1).
const OPENID: &str = "openid";

pub(super) fn methods(document: &Document, secrets: &Secrets, faults: &mut Faults) -> Methods {
    let written = &document.login.methods;
    let rule_groups = rule_groups(document, faults);
    let mut oidc: Vec<Provider> = Vec::new();
    for (at, entry) in written.oidc.iter().enumerate() {
        let path = format!("login.methods.oidc[{at}]");
        let name = entry.name.0.to_ascii_lowercase();
        if oidc.iter().any(|other| other.name == name) {
            faults.add(&path, format!("two providers are named {name:?}"));
        }
        let secret = secret(entry, &document.id, secrets, &path, faults);
        let provider = provider(entry, name, secret, &rule_groups);
        for (name, problem) in authorization::faults_of(&provider.parameters) {
            faults.add(&format!("{path}.parameters.{name}"), problem);
        }
        oidc.push(provider);
    }
    if let Some(access) = &written.access
        && access.audiences.iter().all(String::is_empty)
    {
        let problem = "name the audience (AUD) tag of the Access application; without it every application of the team would do";
        faults.add("login.methods.access.audiences", problem);
    }
    Methods {
        password: written.password,
        access: written
            .access
            .as_ref()
            .map(|entry| access_team(entry, &rule_groups)),
        oidc,
        token: written
            .token
            .iter()
            .map(|entry| issuer(entry, &rule_groups))
            .collect(),
    }
}

fn secret(
    entry: &OidcProvider,
    tenant: &TenantId,
    secrets: &Secrets,
    path: &str,
    faults: &mut Faults,
) -> Option<String> {
    let name = entry.client_secret.as_ref()?.0.strip_prefix("secret:")?;
    let value = secrets.of_tenant(tenant, name);
    if value.is_none() || OWN_SECRETS.contains(&name) {
        faults.add(
            &format!("{path}.client_secret"),
            format!(
                "there is no such secret; set it with: npx wrangler secret put {}, or for npm start in .dev.vars",
                binding(tenant, "<NAME>")
            ),
        );
    }
    value.map(str::to_owned)
}

/// Returns the groups that rules ask for, those of login exceptions first. Sessions keep these whatever else a user is
/// in, because the rules see no others.
#[inline(never)]
fn rule_groups(document: &Document, faults: &mut Faults) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for (at, exception) in document.login.exceptions.iter().enumerate() {
        let path = format!("login.exceptions[{at}].groups");
        if !exception.groups.is_empty() && exception.mode.admits_guests() {
            faults.add(&path, "a guest is in no group; use it with mode required");
        }
        for group in &exception.groups {
            if !groups.contains(&group.0) {
                groups.push(group.0.clone());
            }
        }
    }
    if !claimed::all_fit(&groups) {
        faults.add(
            "login.exceptions",
            "name at most 64 groups, in at most 4 KiB together",
        );
    }
    let releases = document.routing.releases.0.iter();
    groups.extend(releases.flat_map(|entry| entry.r#match.groups.iter().cloned()));
    let values = document.env_rules.iter();
    groups.extend(values.flat_map(|rule| rule.groups.iter().cloned()));
    groups
}

#[inline(never)]
fn provider(
    entry: &OidcProvider,
    name: String,
    client_secret: Option<String>,
    rule_groups: &[String],
) -> Provider {
    let mut scope = entry.scopes.join(" ");
    if scope.is_empty() {
        SCOPES.clone_into(&mut scope);
    } else if !entry.scopes.iter().any(|one| one == OPENID) {
        scope = format!("{OPENID} {scope}");
    }
    Provider {
        title: entry.title.clone().unwrap_or_else(|| name.clone()),
        name,
        issuer: entry.issuer.0.clone(),
        client_id: entry.client_id.clone(),
        client_secret,
        authentication: entry.token_auth,
        scope,
        parameters: entry
            .parameters
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        claims: claims(&entry.claims),
        userinfo: entry.userinfo,
        allow: allow(&entry.allow, rule_groups),
        untyped_logout_tokens: entry.untyped_logout_tokens,
    }
}

#[inline(never)]
fn issuer(entry: &TokenIssuer, rule_groups: &[String]) -> Issuer {
    Issuer {
        issuer: entry.issuer.0.clone(),
        audience: entry.audience.clone(),
        jwks_uri: entry.jwks_uri.as_ref().map(ToString::to_string),
        claims: claims(&entry.claims),
        allow: allow(&entry.allow, rule_groups),
        longest: entry.longest,
    }
}

#[inline(never)]
fn access_team(entry: &Access, rule_groups: &[String]) -> AccessTeam {
    let audiences = entry.audiences.iter();
    AccessTeam {
        issuer: entry.team_domain.0.trim_end_matches('/').to_owned(),
        audiences: audiences.filter(|tag| !tag.is_empty()).cloned().collect(),
        claims: claims(&entry.claims),
        allow: Allow {
            // Access makes no statement about an address. It took the address from the team's own provider.
            unverified_email: true,
            ..allow(&entry.allow, rule_groups)
        },
        forward: entry.forward,
    }
}

/// Returns the value of `Clear-Site-Data`.
pub(super) fn clear_site_data(document: &Document) -> String {
    let words = document.login.clear_site_data.iter();
    let words: Vec<&str> = words.map(|data| SiteData::as_str(*data)).collect();
    words.join(", ")
}

fn claims(names: &Claims) -> ClaimNames {
    ClaimNames {
        user: names.user.clone(),
        email: names.email.clone(),
        name: names.name.clone(),
        groups: names.groups.clone(),
    }
}

fn allow(allowed: &AllowedUsers, rule_groups: &[String]) -> Allow {
    Allow {
        email_domains: allowed.email_domains.clone(),
        groups: allowed.groups.clone(),
        unverified_email: allowed.unverified_email,
        rule_groups: rule_groups.to_vec(),
    }
}
