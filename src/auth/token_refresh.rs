//! Decides the identity from refreshed tokens (OpenID Connect Core section 12.2). The rules of the sign-in apply
//! again: groups may have changed, and the user may no longer be admitted.

mod message;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::auth::authorization;
use crate::auth::claimed::{self, Claimed};
use crate::auth::claims::{self, Claims, Expected};
use crate::auth::jwks::{self, KeySet};
use crate::auth::jws::{BadToken, Unverified};
use crate::auth::methods::{Allow, ClaimNames, Provider};
use crate::clock::UnixSeconds;
use crate::effect::{Answers, Found, Need, Outbound, Reply};
use crate::encoding;
use crate::session::token_set::TokenSet;

use message::Message;

/// Key of the answer with the provider's key set.
const KEYS: &str = "keys";

/// Key of the answer of the userinfo endpoint.
const USERINFO: &str = "userinfo";

/// Parameters that verify refreshed tokens, from the tenant's settings at the time of the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Message", from = "Message")]
pub(crate) struct Renewal {
    /// Required audience of ID tokens.
    pub client_id: String,
    /// Names of the claims that hold the identity.
    pub claims: ClaimNames,
    /// Users who are admitted.
    pub allow: Allow,
    /// URL of the provider's key set.
    pub jwks_uri: String,
    /// Cached key set, from [`KeySet::to_text`].
    pub keys: Option<String>,
    /// URL of the userinfo endpoint, if it is read too.
    pub userinfo: Option<String>,
}

/// Consequence for the session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Judgement {
    /// These needs come first.
    Pending(Vec<Need>),
    /// The response has no identity claims, so nothing changes.
    NoClaims,
    /// The claims cannot be verified now, for this reason; nothing changes.
    Unverifiable(&'static str),
    /// The claims yield this identity.
    Claimed(Claimed),
    /// The user is no longer admitted, for this reason.
    NotAdmitted(&'static str),
    /// A token is invalid, so no part of the response counts.
    Invalid(BadToken),
}

impl Renewal {
    /// Collects the parameters for a provider.
    #[must_use]
    pub(crate) fn of(
        provider: &Provider,
        jwks_uri: &str,
        keys: Option<String>,
        userinfo: Option<String>,
    ) -> Self {
        Self {
            client_id: provider.client_id.clone(),
            claims: provider.claims.clone(),
            allow: provider.allow.clone(),
            jwks_uri: jwks_uri.to_owned(),
            keys,
            userinfo: userinfo.filter(|_| provider.userinfo),
        }
    }

    /// Verifies the refreshed tokens `after` against those `before`.
    #[must_use]
    pub(crate) fn judge(
        &self,
        before: &TokenSet,
        after: &TokenSet,
        answers: &Answers,
        now: UnixSeconds,
    ) -> Judgement {
        let is_new = |token: &&str| before.id_token.as_deref() != Some(*token);
        let token_claims = match after.id_token.as_deref().filter(is_new) {
            Some(token) => match self.verify_id_token(token, before, after, answers, now) {
                Ok(token_claims) => Some(token_claims),
                Err(judgement) => return judgement,
            },
            None if self.userinfo.is_none() => return Judgement::NoClaims,
            None => None,
        };
        let has_new_token = token_claims.is_some();
        let token_claims = token_claims.unwrap_or_else(|| previous_claims(before));
        let token_claims = match &self.userinfo {
            None => token_claims,
            Some(endpoint) => match userinfo(&token_claims, endpoint, after, answers) {
                // Newer claims win.
                Ok(more) if has_new_token => claimed::merged(token_claims, more),
                Ok(more) => claimed::merged(more, token_claims),
                Err(judgement) => return judgement,
            },
        };
        match claimed::identity(&token_claims, &self.claims, &self.allow) {
            Ok(claimed) => Judgement::Claimed(claimed),
            Err(not) => Judgement::NotAdmitted(not.reason()),
        }
    }

    /// Verifies a new ID token and returns its claims.
    fn verify_id_token(
        &self,
        token: &str,
        before: &TokenSet,
        after: &TokenSet,
        answers: &Answers,
        now: UnixSeconds,
    ) -> Result<Claims, Judgement> {
        let token = Unverified::parse(token).map_err(Judgement::Invalid)?;
        self.check(&token, before, after, now)
            .map_err(Judgement::Invalid)?;
        let candidates = self.candidates(&token, answers)?;
        match jwks::verified(candidates, &token, answers) {
            Ok(Ok(())) => Ok(token.claims),
            Ok(Err(bad)) => Err(Judgement::Invalid(bad)),
            Err(needs) => Err(Judgement::Pending(needs)),
        }
    }

    fn check(
        &self,
        token: &Unverified,
        before: &TokenSet,
        after: &TokenSet,
        now: UnixSeconds,
    ) -> Result<(), BadToken> {
        if !token.is_of_kind(&claims::ID_TOKEN) {
            return Err(BadToken("another kind of token"));
        }
        let token_claims = &token.claims;
        let expected = Expected {
            issuer: &before.issuer,
            audience: &self.client_id,
            now,
        };
        claims::check(token_claims, &expected)?;
        claims::check_party(token_claims, &self.client_id)?;
        if claims::subject(token_claims)? != before.subject {
            return Err(BadToken("another sub than at the sign-in"));
        }
        // A refreshed token needs no nonce, but must not have another sign-in's.
        let nonce = claims::text(token_claims, "nonce")?;
        let earlier = previous_claims(before);
        if nonce.is_some() && nonce != claims::text(&earlier, "nonce")? {
            return Err(BadToken("another nonce"));
        }
        let access_token = after.access_token.as_deref().unwrap_or_default();
        claims::check_access_token(token_claims, token.algorithm, access_token)
    }

    /// Returns the keys that may have signed the token: cached ones, or else from the issuer's current set.
    fn candidates(&self, token: &Unverified, answers: &Answers) -> Result<Vec<String>, Judgement> {
        let candidates_of = |keys: KeySet| -> Vec<String> {
            let candidates = keys.candidates(token).into_iter();
            candidates.map(str::to_owned).collect()
        };
        let known = self
            .keys
            .as_deref()
            .and_then(KeySet::parse)
            .map(candidates_of);
        if let Some(known) = known.filter(|known| !known.is_empty()) {
            return Ok(known);
        }
        match answers.found(KEYS) {
            None => Err(Judgement::Pending(vec![Need::Fetch {
                key: KEYS.to_owned(),
                call: Outbound {
                    url: self.jwks_uri.clone(),
                    authorization: None,
                    form: None,
                    limit: jwks::LARGEST,
                },
            }])),
            Some(found) => body(found)
                .and_then(KeySet::parse)
                .map(candidates_of)
                .ok_or(Judgement::Unverifiable("keys")),
        }
    }
}

/// Returns the claims of the previous ID token, or at least its user.
fn previous_claims(before: &TokenSet) -> Claims {
    let token = before.id_token.as_deref().map(Unverified::parse);
    match token {
        Some(Ok(token)) => token.claims,
        _ => encoding::object([("sub", Value::from(before.subject.as_str()))]),
    }
}

fn userinfo(
    token_claims: &Claims,
    endpoint: &str,
    after: &TokenSet,
    answers: &Answers,
) -> Result<Claims, Judgement> {
    let Some(found) = answers.found(USERINFO) else {
        let access_token = after.access_token.as_deref().unwrap_or_default();
        return Err(Judgement::Pending(vec![Need::Fetch {
            key: USERINFO.to_owned(),
            call: authorization::userinfo(endpoint, access_token),
        }]));
    };
    let body = body(found).ok_or(Judgement::Unverifiable("no userinfo"))?;
    claims::userinfo(body, token_claims).map_err(Judgement::Invalid)
}

/// Returns the body of a response with status 200.
fn body(found: &Found) -> Option<&str> {
    match found {
        Found::Bytes(bytes) => {
            let reply = Reply::read(bytes).filter(|reply| reply.status == 200);
            reply.map(|reply| reply.body)
        }
        Found::Absent | Found::Unavailable => None,
    }
}

#[cfg(test)]
mod tests;
