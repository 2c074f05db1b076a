//! Defines the verification parameters as a part of the command to a session's object.

use serde::{Deserialize, Serialize};

use super::Renewal;
use crate::auth::methods::{Allow, ClaimNames};

/// [`Renewal`] as JSON.
#[derive(Serialize, Deserialize)]
pub(super) struct Message {
    /// Names of the claims with user id, address, name and groups.
    claims: [String; 4],
    client_id: String,
    #[serde(default)]
    email_domains: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    jwks_uri: String,
    keys: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rule_groups: Vec<String>,
    unverified_email: bool,
    userinfo: Option<String>,
}

impl From<Renewal> for Message {
    fn from(renewal: Renewal) -> Self {
        let ClaimNames {
            user,
            email,
            name,
            groups,
        } = renewal.claims;
        let allow = renewal.allow;
        Self {
            claims: [user, email, name, groups],
            client_id: renewal.client_id,
            email_domains: allow.email_domains,
            groups: allow.groups,
            jwks_uri: renewal.jwks_uri,
            keys: renewal.keys,
            rule_groups: allow.rule_groups,
            unverified_email: allow.unverified_email,
            userinfo: renewal.userinfo,
        }
    }
}

impl From<Message> for Renewal {
    fn from(message: Message) -> Self {
        let [user, email, name, groups] = message.claims;
        Self {
            client_id: message.client_id,
            claims: ClaimNames {
                user,
                email,
                name,
                groups,
            },
            allow: Allow {
                email_domains: message.email_domains,
                groups: message.groups,
                unverified_email: message.unverified_email,
                rule_groups: message.rule_groups,
            },
            jwks_uri: message.jwks_uri,
            keys: message.keys,
            userinfo: message.userinfo,
        }
    }
}
