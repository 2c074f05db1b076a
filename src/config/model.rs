//! The document's types (`docs/reference/tenant-document.md`).

use core::fmt;

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::asset_source::Replacement;
use super::branding::Branding;
use super::object_macro::{checked, choice, object, text};
use super::parse::{FromDocument, Reader, described};
use super::telemetry::Telemetry;
use crate::auth::methods::ClientAuthentication;
use crate::auth::provider::is_confidential;
use crate::balancer::pool::{Base, OriginName, OriginState};
use crate::clock::{Seconds, UnixSeconds};
use crate::flat_map::FlatMap;
use crate::http::host::HostPattern;
use crate::policy::{Consistency, HeaderSource, LoginMode, Streams};
use crate::tenant_id::TenantId;

object! {
    /// A tenant.
    pub(crate) struct Document {
        /// Its id: 1 to 63 of a-z, 0-9 and -. Goes into every key; never change it.
        id: TenantId,
        /// The hosts it is reached at: names, or *.suffix for everything below one.
        hosts: Vec<HostPattern>,
        /// Who may come in.
        login: Login,
        /// How sessions are kept.
        session: Session,
        /// The chat servers.
        origins: Servers,
        /// How conversations are spread over them.
        routing: Routing,
        /// Headers the chat servers read beside X-Session-…, by name: what each says.
        headers: FlatMap<String, HeaderSource>,
        /// Cookies of the chat servers that are kept in the session, not in the browser, by name; name* for all that begin so.
        vault: Vec<CookiePattern>,
        /// Told to the chat servers as X-Session-Env, never to the browser. secret:NAME stands for the Worker's secret <ID>__NAME.
        env: FlatMap<String, String>,
        /// Paths whose answers are the same for everybody, such as /public/*, so that the zone's cache may keep them: no session is read or begun there, and no cookie passes either way. Where signing in is required there is none.
        cache: Vec<PathPattern>,
        /// What other sites' pages may read.
        cors: Cors,
        /// Files shown in place of the chat servers', by path, such as /logo or /logo?theme=dark: a URL, or kv:NAME for one stored with npm run tenants -- asset put.
        assets: FlatMap<String, Replacement>,
        /// What the pages shown by the gateway itself look like.
        branding: Branding,
        /// What is told of the requests, and to whom.
        telemetry: Telemetry,
    }
}

object! {
    /// Who may come in.
    pub(crate) struct Login {
        /// off: everybody is a guest. optional: guests may sign in. required: nobody passes without.
        mode: LoginMode = "off",
        /// Where it is otherwise; the first that matches counts.
        exceptions: Vec<LoginException>,
        /// How people sign in.
        methods: LoginMethods,
        /// Cookies of the chat servers that leave the browser when somebody signs in or out, by name.
        clear_cookies: Vec<CookiePattern>,
    }
}

object! {
    /// How people sign in.
    pub(crate) struct LoginMethods {
        /// By name and password, of accounts that npm run users keeps.
        password: bool = false,
        /// At OpenID providers.
        oidc: Vec<OidcProvider>,
        /// With tokens of somebody else, exchanged at POST /_session/token.
        token: Vec<TokenIssuer>,
    }
}

object! {
    /// An OpenID provider.
    pub(crate) struct OidcProvider {
        /// What it is called in URLs: letters, digits and -.
        name: HeaderName = "main",
        /// What people know it as.
        title: Option<String>,
        /// Its issuer identifier, exactly as it publishes it.
        issuer: Issuer,
        /// What it knows this tenant as.
        client_id: String,
        /// secret:NAME for the Worker's secret <ID>__NAME; none for a public client.
        client_secret: Option<SecretName>,
        /// How the secret is shown to it.
        token_auth: ClientAuthentication = "basic",
        /// What it is asked for.
        scopes: Vec<String>,
        /// What else a browser is sent there with, by name, such as prompt, audience or access_type.
        parameters: FlatMap<String, String>,
        /// Which of its claims say who somebody is.
        claims: Claims,
        /// Its userinfo endpoint is asked too.
        userinfo: bool = false,
        /// Which of its users may come in; all unless said otherwise.
        allow: AllowedUsers,
        /// It sends logout tokens without the type logout+jwt.
        untyped_logout_tokens: bool = false,
    }
}

object! {
    /// Which claims say who somebody is; a.b for b within a.
    pub(crate) struct Claims {
        /// What the chat servers know the user by.
        user: String = "sub",
        /// Mail address.
        email: String = "email",
        /// Name.
        name: String = "name",
        /// Groups.
        groups: String = "groups",
    }
}

object! {
    /// Who may come in: somebody who fits each list that is not empty.
    pub(crate) struct AllowedUsers {
        /// Domains of verified mail addresses.
        email_domains: Vec<String>,
        /// Groups, one of which is enough.
        groups: Vec<String>,
        /// An address of which the provider does not say whether it is verified counts as if it were, and chat servers are told it.
        unverified_email: bool = false,
    }
}

object! {
    /// Somebody whose tokens are exchanged for sessions.
    pub(crate) struct TokenIssuer {
        /// The iss of the tokens.
        issuer: Issuer,
        /// What their aud must hold.
        audience: String,
        /// Where the keys are, if not where the issuer's discovery says.
        jwks_uri: Option<Issuer>,
        /// Which claims say who somebody is.
        claims: Claims,
        /// Whose tokens are taken; everybody's unless said otherwise.
        allow: AllowedUsers,
        /// The longest a token may be valid.
        longest: Seconds = "24h",
    }
}

object! {
    /// Where signing in is required, or is not, whatever else is said.
    pub(crate) struct LoginException {
        /// A path, or the beginning of paths with /* behind it.
        path: PathPattern,
        /// Request methods; none for all.
        methods: Vec<Method>,
        /// What holds there.
        mode: LoginMode,
        /// How long ago the visitor may have signed in; longer, and it must be proved again.
        max_age: Option<Seconds>,
    }
}

object! {
    /// What other sites' pages may read. What the chat servers answer is theirs to say, preflights included.
    pub(crate) struct Cors {
        /// Sites whose pages may read what the gateway answers in a chat server's place, such as 401.
        origins: Vec<Site>,
    }
}

object! {
    /// How sessions are kept.
    pub(crate) struct Session {
        /// Ends a session that is not used for so long.
        idle: Seconds = "8h",
        /// Ends any session so long after it began.
        absolute: Seconds = "7d",
        /// Takes the place of both for who asked to stay signed in.
        remember: Seconds = "30d",
        /// strong: an object orders each session's changes. eventual: KV alone.
        consistency: Consistency = "strong",
        /// How soon a revocation takes hold everywhere.
        cache: Seconds = "5s",
        /// The most sessions of a user; with one more the oldest ends. 0 for any number.
        max_per_user: u64 = 0,
        /// The most bytes of X-Session-Data, up to 16384; above it there is X-Session-Data-Omitted in its place. As much as the smallest common server takes: uWSGI has 4096 for all headers of a request.
        max_data: DataSize = 1024,
        /// What happens to a session that nobody can read.
        fail: FailMode = "closed",
        /// How long it is served from memory then, if fail is grace.
        fail_grace: Seconds = "15m",
        /// revocable: open WebSockets and event streams are closed soon after their session ends.
        streams: Streams = "pass-through",
        /// Each request carries X-Session-Proof, a MAC with the secret ORIGIN_KEY.
        proof: bool = false,
        /// Each request carries X-Session-Assertion, a JWT with keys at /_session/jwks.json.
        assertion: bool = false,
    }
}

object! {
    /// A chat server.
    pub(crate) struct OriginEntry {
        /// By which conversations are pinned; host and port unless given.
        name: Option<OriginName>,
        /// Where it is: http(s)://host or http(s)://host:port.
        url: Base,
        /// Its share of the sessions in relation to the others'.
        weight: Weight = 1,
        /// active, drain (no new sessions) or down (none).
        state: OriginState = "active",
        /// The most conversations at a time; 0 for any number.
        capacity: u32 = 0,
        /// The release it runs, if it is not the usual one.
        release: Option<ReleaseName>,
        /// Where it says that it is ready.
        health_path: Option<Path>,
        /// Only sessions that begin from then on.
        since: Option<Date>,
    }
}

object! {
    /// How conversations are spread over the servers.
    pub(crate) struct Routing {
        /// When a server gets no new sessions.
        overload: OverloadLimits,
        /// A release that some new sessions are born into.
        canary: Option<CanaryRelease>,
        /// How long a server may take.
        timeouts: TimeoutLimits,
        /// A conversation whose server is gone waits for it instead of moving.
        strict_pins: bool = false,
        /// A conversation that moved returns when it was not used for so long; 0s: it stays.
        pin_idle: Seconds = "0s",
        /// How many sessions an address may begin in a minute, in one isolate; 0 for any number.
        new_sessions_per_minute: u32 = 0,
        /// Other sites whose pages may open a WebSocket here.
        allowed_origins: Vec<Site>,
    }
}

object! {
    /// When a server gets no new sessions; 0 for never.
    pub(crate) struct OverloadLimits {
        /// The percentage of its capacity it reports, up to 1000.
        load: Percent = 0,
        /// How many requests of one isolate it has.
        in_flight: u32 = 0,
        /// How long its answers take to begin.
        first_byte: Seconds = "0s",
    }
}

object! {
    /// A release that some new sessions are born into.
    pub(crate) struct CanaryRelease {
        /// The release, as the servers name it.
        release: ReleaseName,
        /// How many of a hundred new sessions.
        percent: Share = 0,
        /// Nobody any more, not even those who were born into it.
        off: bool = false,
        /// A request header that brings a new session there.
        header: Option<HeaderMatch>,
    }
}

object! {
    /// A header and its value.
    pub(crate) struct HeaderMatch {
        /// Its name.
        name: HeaderName,
        /// Its value.
        value: String,
    }
}

object! {
    /// How long a server may take; 0s for any time.
    pub(crate) struct TimeoutLimits {
        /// Until the headers of its answer are there.
        first_byte: Seconds = "100s",
        /// Until it has accepted a WebSocket.
        handshake: Seconds = "30s",
        /// Silence within an answer.
        idle_answer: Seconds = "0s",
        /// Silence within an event stream.
        idle_stream: Seconds = "0s",
        /// Silence on a WebSocket.
        idle_socket: Seconds = "0s",
        /// Silence in an event stream before a comment is sent.
        keep_alive: Seconds = "0s",
    }
}

/// Chat servers, at least one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Servers(pub Vec<OriginEntry>);

impl FromDocument for Servers {
    fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
        let entries = Vec::read(value, reader)?;
        if entries.is_empty() {
            return Self::absent(reader);
        }
        Some(Self(entries))
    }

    fn absent(reader: &mut Reader) -> Option<Self> {
        reader.fault("list your chat servers, for example http://127.0.0.1:8000");
        None
    }

    fn schema() -> Value {
        json!({ "type": "array", "minItems": 1, "items": OriginEntry::schema() })
    }
}

/// What happens to a session that nobody can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailMode {
    /// Its requests are refused.
    Closed,
    /// It is served from memory for a while.
    Grace,
}

choice! { FailMode { "closed" => Closed, "grace" => Grace } }
choice! { ClientAuthentication { "basic" => Basic, "post" => Post } }
choice! { LoginMode { "off" => Off, "optional" => Optional, "required" => Required } }
choice! { Consistency { "strong" => Strong, "eventual" => Eventual } }
choice! { Streams { "pass-through" => PassThrough, "revocable" => Revocable } }
choice! { OriginState { "active" => Active, "drain" => Drain, "down" => Down } }
choice! { HeaderSource {
    "id" => Id, "user" => User, "email" => Email, "name" => Name, "groups" => Groups,
    "access_token" => AccessToken, "bearer" => Bearer,
} }

text!(TenantId, "^[a-z0-9-]{1,63}$", |text| {
    TenantId::parse(text).ok_or("a tenant id has 1 to 63 of a-z, 0-9 and -")
});
text!(
    HostPattern,
    "^(\\*\\.)?[a-z0-9-]+(\\.[a-z0-9-]+)*$",
    HostPattern::parse
);
text!(OriginName, "^[A-Za-z0-9._:\\[\\]-]+$", OriginName::parse);
text!(Base, "^https?://[^/?#@\\\\ \"]+/*$", Base::parse);

checked! {
    /// A path of a server.
    Path, "^/", |text| text.starts_with('/') && !text.contains(['?', '#', ' ']),
    "use a path such as /ready"
}
checked! {
    /// What a release is called: a line of text, because logs and metrics name it.
    ReleaseName, "^[^\\u0000-\\u001f\\u007f]{1,64}$",
    |text| (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control),
    "use a name such as v2, in up to 64 characters"
}
checked! {
    /// A request method.
    Method, "^[A-Z]+$", |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase()),
    "use a method such as GET"
}
checked! {
    /// A header's name (RFC 9110 section 5.1), in a spelling that nobody mistakes.
    HeaderName, "^[A-Za-z0-9-]+$",
    |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
    "use the name of a header: letters, digits and -"
}
checked! {
    /// An origin in the sense of RFC 6454.
    Site, "^[a-z]+://[^/]+$",
    |text| text.split_once("://").is_some_and(|(_, host)| !host.is_empty() && !host.contains('/')),
    "use an origin such as https://shop.example"
}

checked! {
    /// An issuer identifier, or another address of one.
    Issuer, "^https?://", |text| is_confidential(text) && !text.contains(['?', '#']),
    "use an https address, without ? and #; http is for this machine only"
}
checked! {
    /// A secret of the Worker's.
    SecretName, "^secret:[A-Z0-9_]+$",
    |text| text.strip_prefix("secret:").is_some_and(|name| !name.is_empty()),
    "name a secret of the Worker, such as secret:OIDC_SECRET; it must not stand here itself"
}
checked! {
    /// A cookie's name, or the beginning of names.
    CookiePattern, "^[!#$%&'+.^_`|~0-9A-Za-z-]+\\*?$",
    |text| {
        let name = text.strip_suffix('*').unwrap_or(text);
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&b);
        !name.is_empty() && name.bytes().all(token)
    },
    "use the name of a cookie such as access_token, or the beginning of names such as token_*"
}

impl CookiePattern {
    /// Whether a cookie of this name is meant. Names of cookies are case-sensitive.
    #[must_use]
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == self.0,
        }
    }
}

/// A text is neither a path nor the beginning of paths.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum PathPatternError {
    /// A `*` is not at the end of it.
    #[error("\"{0}\" has a * in it; write one only at the end, behind a /")]
    Wildcard(String),
    /// It is not how a path is written.
    #[error(
        "\"{0}\" is not a path; use one such as /project/share, or the beginning of paths such as /public/*"
    )]
    Malformed(String),
}

/// A path, or the beginning of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathPattern {
    path: String,
    is_beginning: bool,
}

impl PathPattern {
    fn parse(text: &str) -> Result<Self, PathPatternError> {
        let (path, is_beginning) = match text.strip_suffix('*') {
            Some(path) if path.ends_with('/') => (path, true),
            Some(_) => return Err(PathPatternError::Wildcard(text.to_owned())),
            None => (text, false),
        };
        let is_path = path.starts_with('/') && !path.contains(['*', '?', '#', '%', '\\', ' ']);
        let is_plain =
            !path.contains("//") && !path.split('/').any(|part| part == "." || part == "..");
        (is_path && is_plain)
            .then(|| Self {
                path: path.to_owned(),
                is_beginning,
            })
            .ok_or_else(|| PathPatternError::Malformed(text.to_owned()))
    }

    /// The path, or what all of them begin with.
    #[must_use]
    pub(crate) fn beginning(&self) -> &str {
        &self.path
    }

    /// Whether a path, free of disguises, is meant.
    #[must_use]
    pub(crate) fn matches(&self, path: &str) -> bool {
        if self.is_beginning {
            path.starts_with(&self.path)
        } else {
            path == self.path
        }
    }
}

text!(PathPattern, "^/[^*?#%\\\\ ]*\\*?$", PathPattern::parse);

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date(pub UnixSeconds);

text!(Date, "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:]{8}Z)?$", |text| {
    UnixSeconds::parse(text)
        .map(Self)
        .ok_or("use a date such as 2026-11-21 or 2026-11-21T10:00:00Z")
});

/// A number within bounds.
macro_rules! bounded {
    ($(#[doc = $doc:literal])* $name:ident: $from:literal to $to:literal) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) u32);

        impl FromDocument for $name {
            fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                let number = number.filter(|number| ($from..=$to).contains(number));
                reader.note(number.map(Self).ok_or(concat!("use a number, ", $from, " to ", $to)))
            }

            fn schema() -> Value {
                json!({ "type": "integer", "minimum": $from, "maximum": $to })
            }
        }
    };
}

bounded! {
    /// A server's share in relation to the others'.
    Weight: 1 to 1_000
}
bounded! {
    /// A percentage of what a server can do.
    Percent: 0 to 1_000
}
bounded! {
    /// So many of a hundred.
    Share: 0 to 100
}
bounded! {
    /// Bytes of a header: with the rest it has to fit an origin's limit.
    DataSize: 0 to 16_384
}
