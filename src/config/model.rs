//! Defines the document's types (`docs/reference/tenant-document.md`).

use serde_json::{Map, Value};

use super::asset_source::Replacement;
use super::branding::Branding;
use super::merge_patch::MergePatch;
use super::object_macro::{choice, object};
use super::parse::{FromDocument, Reader, described};
use super::releases::ReleaseRules;
use super::telemetry::Telemetry;
use super::values::{
    CookiePattern, DataSize, Date, GroupName, HeaderName, Issuer, Method, Path, PathPattern,
    Percent, QueueLength, ReleaseName, SecretName, Share, Site, TrustedSite, Weight,
};
use crate::auth::methods::ClientAuthentication;
use crate::balancer::path_prefix::PathPrefix;
use crate::balancer::pool::{Base, OriginName, OriginState};
use crate::clock::Seconds;
use crate::encoding::json;
use crate::flat_map::FlatMap;
use crate::http::host::HostPattern;
use crate::policy::{Consistency, HeaderSource, LoginMode, SiteData, Streams};
use crate::tenant_id::TenantId;

object! {
    /// A tenant.
    pub(crate) struct Document {
        /// Id of the tenant: 1 to 63 of a-z, 0-9 and -. It is part of every key; never change it.
        id: TenantId,
        /// Hosts of the tenant: names, or *.suffix for everything below one. With TENANT_BY a path segment or header values may follow, as in chat.example/acme.
        hosts: Vec<HostPattern>,
        /// Access rules, and ways to sign in.
        login: Login,
        /// Limits and storage of sessions.
        session: Session,
        /// Chat servers of the tenant.
        origins: Servers,
        /// Assignment of new sessions to the servers.
        routing: Routing,
        /// Identity under header names that the chat servers already read, by name.
        headers: FlatMap<String, HeaderSource>,
        /// Names of the chat servers' own cookies that Vestibule keeps in the session instead of the browser; name* for all that begin so.
        vault: Vec<CookiePattern>,
        /// Sent to the chat servers as X-Session-Env, never to the browser. secret:NAME reads the Worker's secret <ID>__NAME.
        env: FlatMap<String, String>,
        /// Values of env for signed-in users of some groups; if several rules apply, the last one decides.
        env_rules: Vec<EnvRule>,
        /// Paths whose responses are the same for all visitors, such as /public/*: the zone cache may keep them. Requests there have no session and no cookies. A path where sign-in is required cannot be public.
        cache: Vec<PathPattern>,
        /// Responses that pages of other sites may read.
        cors: Cors,
        /// Sites whose pages may show the chat in a frame, or call it with the visitor's session: https://shop.example, or http for this machine. Their pages act for the visitor, so name only sites that you trust.
        embed: Vec<TrustedSite>,
        /// Files served in place of the chat servers', by path, such as /logo or /logo?theme=dark: a URL, or kv:NAME for one stored with npm run tenants -- asset put.
        assets: FlatMap<String, Replacement>,
        /// Changes to JSON responses of the chat servers, by path: a merge patch (RFC 7396) for each, such as {"/project/settings": {"ui": {"name": "Acme"}}}.
        responses: FlatMap<String, MergePatch>,
        /// Look of Vestibule's own pages.
        branding: Branding,
        /// Logs, metrics and traces of the tenant's requests.
        telemetry: Telemetry,
    }
}

object! {
    /// Values of env for signed-in users of some groups.
    pub(crate) struct EnvRule {
        /// Groups of the users; one of them is enough.
        groups: Vec<String>,
        /// Values in place of those of env, and in addition to them.
        env: FlatMap<String, String>,
    }
}

object! {
    /// Access rules, and ways to sign in.
    pub(crate) struct Login {
        /// off: every visitor is a guest. optional: guests may sign in. required: only signed-in users pass.
        mode: LoginMode = "off",
        /// Exceptions by path; the first match applies.
        exceptions: Vec<LoginException>,
        /// Sign-in methods.
        methods: LoginMethods,
        /// Names of the chat servers' cookies that Vestibule removes from the browser at each sign-in and sign-out.
        clear_cookies: Vec<CookiePattern>,
        /// What a browser deletes of this site at each sign-out and change of user: storage for localStorage, IndexedDB and the like, cache for its copies of files.
        clear_site_data: Vec<SiteData>,
    }
}

object! {
    /// Sign-in methods.
    pub(crate) struct LoginMethods {
        /// Sign-in by name and password, with accounts of npm run users.
        password: bool = false,
        /// Sign-in at OpenID Connect providers.
        oidc: Vec<OidcProvider>,
        /// Sign-in with tokens of other issuers, exchanged at POST /_session/token.
        token: Vec<TokenIssuer>,
        /// Sign-in by Cloudflare Access, which stands before this site.
        access: Option<Access>,
    }
}

object! {
    /// Cloudflare Access before this site.
    pub(crate) struct Access {
        /// Team domain, such as https://TEAM.cloudflareaccess.com: the value of iss in its assertions.
        team_domain: Issuer,
        /// Audience (AUD) tags of the Access applications for this site.
        audiences: Vec<String>,
        /// Claims that hold the identity.
        claims: Claims,
        /// Which users may enter; all by default.
        allow: AllowedUsers,
        /// true: chat servers receive the assertion and its cookie, too.
        forward: bool = false,
    }
}

object! {
    /// An OpenID Connect provider.
    pub(crate) struct OidcProvider {
        /// Name of the provider in URLs: letters, digits and -.
        name: HeaderName = "main",
        /// Title of the provider on the sign-in page.
        title: Option<String>,
        /// Issuer identifier, exactly as the provider publishes it.
        issuer: Issuer,
        /// Client id of this tenant at the provider.
        client_id: String,
        /// Client secret: secret:NAME reads the Worker's secret <ID>__NAME; none for a public client.
        client_secret: Option<SecretName>,
        /// Way to send the secret: basic (Authorization header) or post (form).
        token_auth: ClientAuthentication = "basic",
        /// Scopes to request.
        scopes: Vec<String>,
        /// Further authorization parameters by name, such as prompt, audience or access_type.
        parameters: FlatMap<String, String>,
        /// Claims that hold the identity.
        claims: Claims,
        /// true: Vestibule reads the userinfo endpoint too.
        userinfo: bool = false,
        /// Which users may enter; all by default.
        allow: AllowedUsers,
        /// true: accepts logout tokens without the type logout+jwt.
        untyped_logout_tokens: bool = false,
    }
}

object! {
    /// Claims that hold the identity; a.b for b within a.
    pub(crate) struct Claims {
        /// Claim with the user id.
        user: String = "sub",
        /// Claim with the e-mail address.
        email: String = "email",
        /// Claim with the display name.
        name: String = "name",
        /// Claim with the groups.
        groups: String = "groups",
    }
}

object! {
    /// Which users may enter: a user must match every list that is not empty.
    pub(crate) struct AllowedUsers {
        /// Domains of verified e-mail addresses.
        email_domains: Vec<String>,
        /// Groups; one of them is enough.
        groups: Vec<String>,
        /// true: an address counts, and is sent to chat servers, if the provider does not say whether it is verified.
        unverified_email: bool = false,
    }
}

object! {
    /// An issuer whose tokens can be exchanged for sessions.
    pub(crate) struct TokenIssuer {
        /// Value of iss in the tokens.
        issuer: Issuer,
        /// Value that aud must contain.
        audience: String,
        /// URL of the keys, if not the one in the issuer's metadata.
        jwks_uri: Option<Issuer>,
        /// Claims that hold the identity.
        claims: Claims,
        /// Which users' tokens are accepted; all by default.
        allow: AllowedUsers,
        /// Maximum lifetime of a token.
        longest: Seconds = "24h",
    }
}

object! {
    /// A path with its own sign-in rule.
    pub(crate) struct LoginException {
        /// A path, or with /* everything below it.
        path: PathPattern,
        /// Request methods; empty for all.
        methods: Vec<Method>,
        /// Sign-in mode for the path.
        mode: LoginMode,
        /// Maximum age of the sign-in; an older one requires a new sign-in.
        max_age: Option<Seconds>,
        /// Groups or roles, one of which the user must be in; none: all users. Only with mode required.
        groups: Vec<GroupName>,
    }
}

object! {
    /// Responses that pages of other sites may read. The chat servers decide about their own responses, preflights included.
    pub(crate) struct Cors {
        /// Sites whose pages may read responses that Vestibule makes itself, such as 401.
        origins: Vec<Site>,
    }
}

object! {
    /// Limits and storage of sessions.
    pub(crate) struct Session {
        /// Ends a session after this time without use.
        idle: Seconds = "8h",
        /// Ends any session this long after it began.
        absolute: Seconds = "7d",
        /// Replaces both limits for users who chose to stay signed in.
        remember: Seconds = "30d",
        /// strong: a Durable Object orders each session's changes. eventual: KV alone.
        consistency: Consistency = "strong",
        /// Time within which a revocation takes effect everywhere.
        cache: Seconds = "5s",
        /// Maximum number of sessions of one user; one more ends the oldest. 0: no limit.
        max_per_user: u64 = 0,
        /// Maximum number of stored sessions of the tenant; beyond it no session begins. 0: no limit.
        max_sessions: u64 = 0,
        /// Maximum size of X-Session-Data in bytes, up to 16384; larger data is replaced by X-Session-Data-Omitted. The default fits uWSGI, which takes 4096 bytes for all headers of a request.
        max_data: DataSize = 1024,
        /// Behaviour when no storage answers. closed: 503. grace: an isolate serves its cached sessions.
        fail: FailMode = "closed",
        /// Time for which fail = grace serves from memory.
        fail_grace: Seconds = "15m",
        /// revocable: open WebSockets and event streams are closed soon after their session ends.
        streams: Streams = "pass-through",
        /// true: each request carries X-Session-Proof, a MAC with the secret ORIGIN_KEY.
        proof: bool = false,
        /// true: each request carries X-Session-Assertion, a JWT with keys at /_session/jwks.json.
        assertion: bool = false,
    }
}

object! {
    /// A chat server.
    pub(crate) struct OriginEntry {
        /// Name in logs, metrics and pins; host and port by default.
        name: Option<OriginName>,
        /// Address: http(s)://host or http(s)://host:port; or service:NAME for another Worker, by its service binding. Or a list of servers that is read again and again: discover:https://host/path for a JSON document, srv:name or dns:host:port for DNS.
        url: Base,
        /// Share of new sessions relative to the other servers, 1 to 1000.
        weight: Weight = 1,
        /// active, drain (no new sessions) or down (none).
        state: OriginState = "active",
        /// Maximum number of conversations; 0: no limit.
        capacity: u32 = 0,
        /// Release of the server, for routing.releases and routing.canary.
        release: Option<ReleaseName>,
        /// Path of the health check, requested once a minute.
        health_path: Option<Path>,
        /// The server gets only sessions that begin after this time.
        since: Option<Date>,
        /// Beginnings of paths, such as /api, whose requests go to the servers that list the same ones. Servers without paths get all others, and hold the conversations.
        paths: Vec<PathPrefix>,
    }
}

object! {
    /// Assignment of new sessions to the servers.
    pub(crate) struct Routing {
        /// Limits beyond which a server gets no new sessions.
        overload: OverloadLimits,
        /// Rules that send some new sessions to a gray release; the first that holds decides.
        releases: ReleaseRules,
        /// A release that gets a share of the new sessions: short for two rules.
        canary: Option<CanaryRelease>,
        /// Time limits for servers.
        timeouts: TimeoutLimits,
        /// true: a conversation whose server is unreachable waits for it instead of moving.
        strict_pins: bool = false,
        /// A conversation that moved returns after this time without use; 0s: it stays.
        pin_idle: Seconds = "1h",
        /// Interval at which lists of servers are read, 2s to 1h.
        list_refresh: Seconds = "30s",
        /// Time for which a server that leaves its list keeps its sessions, up to 24h.
        list_drain: Seconds = "10m",
        /// URL of the resolver for srv: and dns:, by DNS over HTTPS in JSON.
        dns_resolver: Issuer = "https://cloudflare-dns.com/dns-query",
        /// Maximum number of sessions that one client may begin per minute and isolate; 0: no limit.
        new_sessions_per_minute: u32 = 0,
        /// Maximum number of requests per second and isolate, with bursts of one second; 0: no limit.
        requests_per_second: u32 = 0,
        /// Maximum number of requests and followed streams in flight per isolate; 0: no limit.
        max_in_flight: u32 = 0,
        /// Other sites whose pages may open a WebSocket here.
        allowed_origins: Vec<Site>,
    }
}

object! {
    /// Limits beyond which a server gets no new sessions; 0: none.
    pub(crate) struct OverloadLimits {
        /// Reported load in percent, up to 1000.
        load: Percent = 0,
        /// Requests of one isolate in flight.
        in_flight: u32 = 0,
        /// Time until its responses begin.
        first_byte: Seconds = "0s",
        /// Maximum number of new visitors who wait in order while all servers are full; 0: they are refused.
        queue: QueueLength = 0,
        /// Time after which a waiting visitor who does not ask again has left.
        queue_timeout: Seconds = "1m",
    }
}

object! {
    /// A release that gets a share of the new sessions.
    pub(crate) struct CanaryRelease {
        /// Release, as the servers name it.
        release: ReleaseName,
        /// Percentage of new sessions.
        percent: Share = 0,
        /// true: the release gets no sessions, and its sessions move.
        off: bool = false,
        /// A request header that assigns a new session to the release.
        header: Option<HeaderMatch>,
    }
}

object! {
    /// A header and its value.
    pub(crate) struct HeaderMatch {
        /// Name of the header.
        name: HeaderName,
        /// Value of the header.
        value: String,
    }
}

object! {
    /// Time limits for servers; 0s: no limit.
    pub(crate) struct TimeoutLimits {
        /// Time until the response headers.
        first_byte: Seconds = "100s",
        /// Time until a WebSocket is accepted.
        handshake: Seconds = "30s",
        /// Maximum silence within a response.
        idle_answer: Seconds = "0s",
        /// Maximum silence within an event stream.
        idle_stream: Seconds = "0s",
        /// Maximum silence on a WebSocket, both ways.
        idle_socket: Seconds = "0s",
        /// Silence in an event stream before Vestibule sends a comment.
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

/// Behaviour when no storage answers. closed: 503. grace: an isolate serves its cached sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailMode {
    /// Vestibule refuses requests.
    Closed,
    /// The isolate serves cached sessions for a while.
    Grace,
}

choice! { FailMode { "closed" => Closed, "grace" => Grace } }
choice! { ClientAuthentication { "basic" => Basic, "post" => Post } }
choice! { SiteData { "storage" => Storage, "cache" => Cache, "executionContexts" => ExecutionContexts } }
choice! { LoginMode { "off" => Off, "optional" => Optional, "required" => Required } }
choice! { Consistency { "strong" => Strong, "eventual" => Eventual } }
choice! { Streams { "pass-through" => PassThrough, "revocable" => Revocable } }
choice! { OriginState { "active" => Active, "drain" => Drain, "down" => Down } }
choice! { HeaderSource {
    "id" => Id, "user" => User, "email" => Email, "name" => Name, "groups" => Groups,
    "access_token" => AccessToken, "bearer" => Bearer,
} }
