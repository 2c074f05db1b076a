//! Defines a tenant's sign-in methods.

use core::fmt;

use crate::clock::Seconds;

/// Sign-in methods of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Methods {
    /// Whether users sign in with name and password.
    pub password: bool,
    /// Identity providers.
    pub oidc: Vec<Provider>,
    /// Issuers whose tokens can be exchanged for sessions.
    pub token: Vec<Issuer>,
    /// Cloudflare Access before the site.
    pub access: Option<AccessTeam>,
}

impl Methods {
    /// Returns whether people have no way to sign in.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        !self.password && self.oidc.is_empty() && self.access.is_none()
    }

    /// Returns the providers' names, titles and issuers, for display.
    #[must_use]
    pub(crate) fn shown(&self) -> Vec<(String, String, String)> {
        let shown = |provider: &Provider| {
            let Provider {
                name,
                title,
                issuer,
                ..
            } = provider;
            (name.clone(), title.clone(), issuer.clone())
        };
        self.oidc.iter().map(shown).collect()
    }

    /// Finds a provider by name.
    #[must_use]
    pub(crate) fn provider(&self, name: &str) -> Option<&Provider> {
        self.oidc.iter().find(|provider| provider.name == name)
    }
}

/// Team of Cloudflare Access, with this tenant's applications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessTeam {
    /// Value of `iss`: the team domain, without a slash at its end.
    pub issuer: String,
    /// Audience tags of the applications, one of which `aud` must contain.
    pub audiences: Vec<String>,
    /// Names of the claims that hold the identity.
    pub claims: ClaimNames,
    /// Users who are admitted.
    pub allow: Allow,
    /// Whether origins receive the assertion, too.
    pub forward: bool,
}

/// OpenID provider, with this tenant's registration.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Provider {
    /// Name in URLs.
    pub name: String,
    /// Title for display.
    pub title: String,
    /// Issuer identifier.
    pub issuer: String,
    /// Client id of the tenant.
    pub client_id: String,
    /// Client secret; `None` for a public client.
    pub client_secret: Option<String>,
    /// Way to send the client secret.
    pub authentication: ClientAuthentication,
    /// Scopes to request, separated by spaces.
    pub scope: String,
    /// Further authorization parameters: name and value.
    pub parameters: Vec<(String, String)>,
    /// Names of the claims that hold the identity.
    pub claims: ClaimNames,
    /// Whether to read the userinfo endpoint too.
    pub userinfo: bool,
    /// Users who are admitted.
    pub allow: Allow,
    /// Whether logout tokens may lack their type.
    pub untyped_logout_tokens: bool,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({})", self.name)
    }
}

/// Way in which a client authenticates at the token endpoint (OpenID Connect Core section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientAuthentication {
    /// Credentials in the `Authorization` header.
    Basic,
    /// Credentials in the form.
    Post,
}

/// Names of the claims that hold the identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimNames {
    /// Claim with the user's id.
    pub user: String,
    /// Claim with the mail address.
    pub email: String,
    /// Claim with the display name.
    pub name: String,
    /// Claim with the groups.
    pub groups: String,
}

/// Users who are admitted: a user must match each list that is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allow {
    /// Domains of verified mail addresses.
    pub email_domains: Vec<String>,
    /// Groups; one of them is enough.
    pub groups: Vec<String>,
    /// Whether an address counts as verified if the provider makes no statement, here and for origins.
    pub unverified_email: bool,
    /// Groups that the tenant's rules ask for. They restrict no sign-in, but sessions must keep them.
    pub rule_groups: Vec<String>,
}

impl Allow {
    /// Returns whether a list restricts the users.
    #[must_use]
    pub(crate) const fn is_limiting(&self) -> bool {
        !(self.email_domains.is_empty() && self.groups.is_empty())
    }
}

/// Issuer whose tokens can be exchanged for sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issuer {
    /// Value of `iss`.
    pub issuer: String,
    /// Value that `aud` must contain.
    pub audience: String,
    /// URL of its keys; `None` for the one in its discovery document.
    pub jwks_uri: Option<String>,
    /// Names of the claims that hold the identity.
    pub claims: ClaimNames,
    /// Users who are admitted.
    pub allow: Allow,
    /// Maximum lifetime of a token.
    pub longest: Seconds,
}
