//! The ways a tenant's visitors can sign in.

use core::fmt;

use crate::clock::Seconds;

/// The ways there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Methods {
    /// By a name and a password that are kept here.
    pub password: bool,
    /// At these identity providers.
    pub oidc: Vec<Provider>,
    /// With a token of one of these issuers.
    pub token: Vec<Issuer>,
}

impl Methods {
    /// Whether a person can sign in at all.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        !self.password && self.oidc.is_empty()
    }

    /// The providers as people are shown them: name and title.
    #[must_use]
    pub(crate) fn titles(&self) -> Vec<(String, String)> {
        let providers = self.oidc.iter();
        providers
            .map(|provider| (provider.name.clone(), provider.title.clone()))
            .collect()
    }

    /// The provider of that name.
    #[must_use]
    pub(crate) fn provider(&self, name: &str) -> Option<&Provider> {
        self.oidc.iter().find(|provider| provider.name == name)
    }
}

/// An OpenID provider, and what it knows us as.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Provider {
    /// What the tenant calls it.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Its issuer identifier.
    pub issuer: String,
    /// What it knows us as.
    pub client_id: String,
    /// By what it knows us; none for a public client.
    pub client_secret: Option<String>,
    /// How that is shown to it.
    pub authentication: ClientAuthentication,
    /// What is asked for, apart by spaces.
    pub scope: String,
    /// What else a browser is sent there with: name and value.
    pub parameters: Vec<(String, String)>,
    /// Where the identity is in what it says.
    pub claims: ClaimNames,
    /// Its userinfo endpoint is asked too.
    pub userinfo: bool,
    /// Who of its users may come in.
    pub allow: Allow,
    /// Logout tokens may be of the kind of any other token.
    pub untyped_logout_tokens: bool,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({})", self.name)
    }
}

/// How a client shows the token endpoint who it is (OpenID Connect Core section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientAuthentication {
    /// In the `Authorization` header.
    Basic,
    /// In the form.
    Post,
}

/// The names of the claims that make an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimNames {
    /// What the application knows the user by.
    pub user: String,
    /// E-mail address.
    pub email: String,
    /// Name, for people to read.
    pub name: String,
    /// Groups.
    pub groups: String,
}

/// Who may come in; a user has to fit each list that is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allow {
    /// Domains of a verified mail address.
    pub email_domains: Vec<String>,
    /// Groups, one of which is enough.
    pub groups: Vec<String>,
    /// An address of which nobody says whether it is verified counts as if it were: here, and for origins.
    pub unverified_email: bool,
}

impl Allow {
    /// Whether not all of a provider's users may come in.
    #[must_use]
    pub(crate) const fn is_limiting(&self) -> bool {
        !(self.email_domains.is_empty() && self.groups.is_empty())
    }
}

/// Somebody whose tokens are exchanged for sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issuer {
    /// `iss`.
    pub issuer: String,
    /// What `aud` must hold.
    pub audience: String,
    /// Where its keys are; none for where its discovery says.
    pub jwks_uri: Option<String>,
    /// Where the identity is.
    pub claims: ClaimNames,
    /// Who may come in.
    pub allow: Allow,
    /// The longest a token may be valid.
    pub longest: Seconds,
}
