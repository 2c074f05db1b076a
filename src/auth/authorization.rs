//! Builds requests to an OpenID provider: the browser's authorization request (OpenID Connect Core section 3.1.2.1),
//! and Vestibule's own requests.

use crate::auth::login_state::Transaction;
use crate::auth::methods::{ClientAuthentication, Provider};
use crate::effect::Outbound;
use crate::encoding;

/// Maximum length of a response of the token or userinfo endpoint, in bytes.
pub(crate) const LARGEST_ANSWER: usize = 64 * 1024;

/// Maximum length of a sign-out URL with an optional parameter, in bytes: IIS, and Microsoft Entra with it, rejects a
/// query of more than 2,048.
const MAX_ADDRESS_LENGTH: usize = 2_048;

/// Parameters that bind a response to its sign-in or set its form; a tenant cannot set them.
const RESERVED: [&str; 16] = [
    "response_type",
    "response_mode",
    "client_id",
    "client_secret",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "max_age",
    "request",
    "request_uri",
    "id_token_hint",
    "dpop_jkt",
];

/// Limits of a tenant's own parameters: their number, and the lengths of a name and of a value in bytes.
const MAX_PARAMETERS: usize = 16;
const MAX_PARAMETER_NAME_LENGTH: usize = 64;
const MAX_PARAMETER_LENGTH: usize = 512;

/// Returns the faults of a tenant's own parameters, as pairs of parameter and problem.
#[must_use]
pub(crate) fn faults_of(parameters: &[(String, String)]) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    for (at, (name, value)) in parameters.iter().enumerate() {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        let problem = if RESERVED.iter().any(|one| one.eq_ignore_ascii_case(name)) {
            "is set by the gateway itself; leave it out".to_owned()
        } else if name.is_empty()
            || name.len() > MAX_PARAMETER_NAME_LENGTH
            || !name.bytes().all(is_name)
        {
            format!("use a name of 1 to {MAX_PARAMETER_NAME_LENGTH} letters, digits and -._~")
        } else if value.len() > MAX_PARAMETER_LENGTH || value.contains(char::is_control) {
            format!("use a text of at most {MAX_PARAMETER_LENGTH} bytes without control characters")
        } else if at >= MAX_PARAMETERS {
            format!("there are at most {MAX_PARAMETERS} parameters")
        } else {
            continue;
        };
        faults.push((name.clone(), problem));
    }
    faults
}

/// Returns the authorization URL for the browser.
#[must_use]
pub(crate) fn url(
    endpoint: &str,
    provider: &Provider,
    redirect_uri: &str,
    begun: &Transaction,
) -> String {
    let challenge = begun.challenge();
    let max_age = begun.max_age.map(|age| age.0.to_string());
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", &provider.client_id),
        ("redirect_uri", redirect_uri),
        ("scope", &provider.scope),
        ("state", &begun.state),
        ("nonce", &begun.nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    if let Some(max_age) = &max_age {
        parameters.push(("max_age", max_age));
    }
    let own = provider.parameters.iter();
    parameters.extend(own.map(|(name, value)| (name.as_str(), value.as_str())));
    with_query(endpoint, &parameters)
}

/// Returns the URL at which the user signs out at the provider too (OpenID Connect RP-Initiated Logout 1.0). It omits
/// an ID token that would make it too long; `logout_hint` then names the user.
#[must_use]
pub(crate) fn sign_out_url(
    endpoint: &str,
    provider: &Provider,
    id_token: Option<&str>,
    logout_hint: &str,
    return_to: &str,
) -> String {
    let parameters = [
        ("client_id", provider.client_id.as_str()),
        ("post_logout_redirect_uri", return_to),
    ];
    let with = |name, value| with_query(endpoint, &[&parameters[..], &[(name, value)]].concat());
    let proved = id_token.map(|id_token| with("id_token_hint", id_token));
    match proved.filter(|url| url.len() <= MAX_ADDRESS_LENGTH) {
        Some(url) => url,
        None => with("logout_hint", logout_hint),
    }
}

/// Builds the request that exchanges a code for tokens (RFC 6749 section 4.1.3).
#[must_use]
pub(crate) fn exchange(
    endpoint: &str,
    provider: &Provider,
    code: &str,
    redirect_uri: &str,
    begun: &Transaction,
) -> Outbound {
    call(
        endpoint,
        provider,
        &[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", &begun.verifier),
        ],
    )
}

/// Builds the request for a new access token (RFC 6749 section 6), without the refresh token. The session's object
/// adds the newest one: [`with_refresh_token`].
#[must_use]
pub(crate) fn refresh(endpoint: &str, provider: &Provider) -> Outbound {
    call(endpoint, provider, &[("grant_type", "refresh_token")])
}

/// Adds the refresh token.
#[must_use]
pub(crate) fn with_refresh_token(call: &Outbound, refresh_token: &str) -> Outbound {
    let form = call.form.as_deref().unwrap_or_default();
    Outbound {
        form: Some(format!("{form}&refresh_token={}", escaped(refresh_token))),
        ..call.clone()
    }
}

/// Builds the userinfo request (OpenID Connect Core section 5.3).
#[must_use]
pub(crate) fn userinfo(endpoint: &str, access_token: &str) -> Outbound {
    Outbound {
        url: endpoint.to_owned(),
        authorization: Some(format!("Bearer {access_token}")),
        form: None,
        limit: LARGEST_ANSWER,
    }
}

fn call(endpoint: &str, provider: &Provider, parameters: &[(&str, &str)]) -> Outbound {
    let mut parameters = parameters.to_vec();
    let secret = provider.client_secret.as_deref();
    let mut authorization = None;
    match (secret, provider.authentication) {
        (Some(secret), ClientAuthentication::Basic) => {
            // Both values are form-encoded first (RFC 6749 section 2.3.1).
            let pair = format!("{}:{}", escaped(&provider.client_id), escaped(secret));
            authorization = Some(format!("Basic {}", encoding::base64(pair.as_bytes())));
        }
        (Some(secret), ClientAuthentication::Post) => {
            parameters.push(("client_id", &provider.client_id));
            parameters.push(("client_secret", secret));
        }
        (None, _) => parameters.push(("client_id", &provider.client_id)),
    }
    Outbound {
        url: endpoint.to_owned(),
        authorization,
        form: Some(form(&parameters)),
        limit: LARGEST_ANSWER,
    }
}

/// Appends parameters; the endpoint may have a query of its own.
fn with_query(endpoint: &str, parameters: &[(&str, &str)]) -> String {
    let mark = if endpoint.contains('?') { '&' } else { '?' };
    format!("{endpoint}{mark}{}", form(parameters))
}

/// Encodes parameters as `application/x-www-form-urlencoded`.
fn form(parameters: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", escaped(value));
    let pairs: Vec<String> = parameters.iter().map(pair).collect();
    pairs.join("&")
}

/// Percent-encodes all but unreserved characters and `/` (RFC 3986).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    encoding::push_percent_encoded(&mut escaped, text);
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::methods::{Allow, ClaimNames};
    use crate::clock::{Seconds, UnixSeconds};
    use chacha20::ChaCha20Rng;
    use chacha20::rand_core::SeedableRng as _;

    fn provider(secret: Option<&str>, authentication: ClientAuthentication) -> Provider {
        let claim = || "sub".to_owned();
        Provider {
            name: "main".to_owned(),
            title: "Main".to_owned(),
            issuer: "https://id.example".to_owned(),
            client_id: "a client".to_owned(),
            client_secret: secret.map(str::to_owned),
            authentication,
            scope: "openid email".to_owned(),
            parameters: vec![("prompt".to_owned(), "select account&x=1".to_owned())],
            claims: ClaimNames {
                user: claim(),
                email: claim(),
                name: claim(),
                groups: claim(),
            },
            userinfo: false,
            allow: Allow::default(),
            untyped_logout_tokens: false,
        }
    }

    #[test]
    fn authorization_request_carries_state_nonce_and_pkce() {
        let mut random = ChaCha20Rng::seed_from_u64(1);
        let now = UnixSeconds(1);
        let begun = Transaction::begin("main", "/", Some(Seconds(60)), now, &mut random);
        let provider = provider(None, ClientAuthentication::Basic);
        let url = url(
            "https://id.example/a?x=1",
            &provider,
            "https://c.example/cb",
            &begun,
        );
        assert!(url.starts_with("https://id.example/a?x=1&response_type=code&client_id=a%20client&redirect_uri=https%3a//c.example/cb&scope=openid%20email&state="), "{url}");
        for part in [
            "&nonce=",
            "&code_challenge=",
            "&code_challenge_method=S256",
            "&max_age=60",
            "&prompt=select%20account%26x%3d1",
        ] {
            assert!(url.contains(part), "{url}");
        }
        assert!(!url.contains(&begun.verifier));
    }

    #[test]
    fn long_id_token_hint_is_left_out_of_the_logout_url() {
        let provider = provider(None, ClientAuthentication::Basic);
        let url = |id_token: Option<&str>| {
            let back = "https://c.example/out";
            sign_out_url("https://id.example/end", &provider, id_token, "u&1", back)
        };
        let short = url(Some("a.b.c"));
        assert!(short.ends_with("&id_token_hint=a.b.c"), "{short}");
        assert!(!short.contains("logout_hint="), "{short}");
        let spare = MAX_ADDRESS_LENGTH - url(Some("")).len();
        let longest = url(Some(&"x".repeat(spare)));
        assert_eq!(longest.len(), MAX_ADDRESS_LENGTH);
        for id_token in [Some("x".repeat(spare + 1)), Some("x".repeat(6_000)), None] {
            assert_eq!(
                url(id_token.as_deref()),
                "https://id.example/end?client_id=a%20client&post_logout_redirect_uri=\
                 https%3a//c.example/out&logout_hint=u%261"
            );
        }
    }

    #[test]
    fn tenant_cannot_set_state_nonce_or_pkce() {
        let faults = |name: &str, value: &str| faults_of(&[(name.to_owned(), value.to_owned())]);
        for name in RESERVED {
            assert_eq!(faults(name, "x").len(), 1, "{name}");
            assert_eq!(faults(&name.to_ascii_uppercase(), "x").len(), 1, "{name}");
        }
        for name in ["", "a b", "a&state", "a=b", "é"] {
            assert_eq!(faults(name, "x").len(), 1, "{name}");
        }
        assert_eq!(faults("hd", "a\nb").len(), 1);
        assert_eq!(faults("hd", &"x".repeat(MAX_PARAMETER_LENGTH + 1)).len(), 1);
        for name in [
            "access_type",
            "audience",
            "prompt",
            "hd",
            "domain_hint",
            "login_hint",
        ] {
            assert_eq!(faults(name, "a b&c=d"), [], "{name}");
        }
        let many = vec![("a".to_owned(), String::new()); MAX_PARAMETERS + 1];
        assert_eq!(faults_of(&many).len(), 1);
    }

    #[test]
    fn client_authenticates_by_the_configured_method() {
        let calls = [
            (Some("s:c"), ClientAuthentication::Basic),
            (Some("s:c"), ClientAuthentication::Post),
            (None, ClientAuthentication::Basic),
        ]
        .map(|(secret, how)| {
            let call = refresh("https://id.example/t", &provider(secret, how));
            with_refresh_token(&call, "r t")
        });
        assert_eq!(
            calls[0].authorization.as_deref(),
            Some("Basic YSUyMGNsaWVudDpzJTNhYw==")
        );
        let forms = calls.map(|call| call.form.unwrap());
        assert_eq!(forms[0], "grant_type=refresh_token&refresh_token=r%20t");
        assert!(forms[1].contains("&client_id=a%20client&client_secret=s%3ac&"));
        assert!(forms[2].contains("&client_id=a%20client&"));
    }
}
