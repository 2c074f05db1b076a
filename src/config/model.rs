//! The document's types (`docs/reference/tenant-document.md`).

use serde_json::{Map, Value, json};

use super::asset_source::Replacement;
use super::branding::Branding;
use super::object_macro::{choice, object};
use super::parse::{FromDocument, Reader, described};
use super::telemetry::Telemetry;
use super::values::{
    CookiePattern, DataSize, Date, HeaderName, Issuer, Method, Path, PathPattern, Percent,
    ReleaseName, SecretName, Share, Site, Weight,
};
use crate::auth::methods::ClientAuthentication;
use crate::balancer::pool::{Base, OriginName, OriginState};
use crate::clock::Seconds;
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
