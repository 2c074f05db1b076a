//! Provides passwords and fake identity providers.

use serde_json::json;

use super::tenants::mark;
use crate::clock::UnixMillis;
use crate::effect::Outbound;
use crate::encoding::base64url;

/// Returns the password of a tenant's only account. It contains no mark, because another tenant may see it in a failed
/// attempt.
pub(super) fn alices_password(mark: &str) -> String {
    format!("password {}", &mark[2..6])
}

/// Answers as a tenant's identity provider. The authorization code it accepts is the nonce of the sign-in.
pub(super) fn provider(call: &Outbound, now: UnixMillis) -> String {
    let issuer = call.url.split('/').take(3).collect::<Vec<_>>().join("/");
    let issuer_mark = issuer.replace("https://id.", "").replace(".example", "");
    assert_eq!(mark(issuer_mark[2..6].parse().unwrap()), issuer_mark);
    let body = if call.url.ends_with("/token") {
        let form = call.form.as_deref().unwrap_or_default();
        let code = form
            .split('&')
            .find_map(|field| field.strip_prefix("code="));
        let claims = json!({
            "iss": issuer, "aud": format!("client-{issuer_mark}"), "sub": format!("user-{issuer_mark}"),
            "email": format!("{issuer_mark}@mail.example"), "nonce": code,
            "iat": now.seconds().0, "exp": now.seconds().0 + 600,
        });
        let header = r#"{"alg":"RS256","kid":"k"}"#;
        let parts = [
            header.to_owned(),
            claims.to_string(),
            "signature".to_owned(),
        ];
        json!({
            "token_type": "Bearer", "expires_in": 86_400,
            "access_token": format!("access-token-of-{issuer_mark}"),
            "id_token": parts.map(|part| base64url(part.as_bytes())).join("."),
        })
    } else if call.url.ends_with("/jwks") {
        json!({ "keys": [{ "kty": "RSA", "kid": "k", "n": crate::auth::weak_keys::SOUND_MODULUS, "e": "AQAB" }] })
    } else {
        json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
        })
    };
    format!("200\n{body}")
}
