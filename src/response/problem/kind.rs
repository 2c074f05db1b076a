//! Defines each problem's status, stable code, title, and detail with the next step.

use super::Problem;
use crate::http::json::BadBody;

/// Properties of a problem.
pub(super) struct Kind {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) detail: &'static str,
}

impl Problem {
    pub(super) fn kind(&self) -> Kind {
        let (status, code, title, detail) = match self {
            Self::SignIn(problem) => problem.kind(),
            Self::TooManyForgeries(_) => (
                429,
                "too_many_forgeries",
                "Too many invalid sessions",
                "Too many requests with invalid session cookies came from this address. Wait for the time in Retry-After, without the cookie.",
            ),
            Self::TooManySessions(_) => (
                429,
                "too_many_sessions",
                "Too many new visitors",
                "Too many new sessions were begun from this address. Wait for the time in Retry-After, and keep the cookie you are given.",
            ),
            Self::TooManyGuesses(_) => (
                429,
                "too_many_guesses",
                "Too many wrong tokens",
                "Too many wrong tokens came from this address. Wait for the time in Retry-After.",
            ),
            Self::TooManyRequests => (
                429,
                "too_many_requests",
                "Too many requests",
                "This site gets more requests per second than it may have. Try again after the time in Retry-After.",
            ),
            Self::TenantBusy => (
                503,
                "tenant_busy",
                "Please try again",
                "This site has as many requests in flight as it may have. Try again after the time in Retry-After.",
            ),
            Self::ConsoleUnconfigured => (
                503,
                "console_unconfigured",
                "The console has no host",
                "Outside this machine the console needs a host that no chat server has. Set CONSOLE_HOST to it; programs can use the admin API without.",
            ),
            Self::NotAllowed => (
                403,
                "not_allowed",
                "Not allowed",
                "This belongs to another tenant or to the deployment. Use the deployment's token, under a host that no tenant has.",
            ),
            Self::BadHost => (
                400,
                "bad_host",
                "Bad host",
                "Name one host, with at most a port, in one Host header.",
            ),
            Self::UnknownHost => (
                421,
                "unknown_host",
                "No site here",
                "No tenant has this host. Check the address; if it is yours, add it to the hosts of its tenant.",
            ),
            Self::TenantsUnavailable => (
                503,
                "tenants_unavailable",
                "Please try again",
                "The site's configuration could not be read. Try again in a few seconds.",
            ),
            Self::TenantMisconfigured => (
                503,
                "tenant_misconfigured",
                "This site is being set up",
                "The site's configuration has a fault, which is in the operator's log. Try again later.",
            ),
            Self::NoSession => (
                401,
                "no_session",
                "Sign-in needed",
                "This needs a session. Open the site in a browser and sign in.",
            ),
            Self::GroupRequired { .. } => (
                403,
                "group_required",
                "No access for this account",
                "Your account is in none of the groups that this page is open to. If you were added to one since you signed in, sign in again; otherwise ask the operator of this site.",
            ),
            Self::SessionExpired => (
                401,
                "session_expired",
                "Session expired",
                "The session was not used for too long or has reached its age limit. Start a new one by opening the site again.",
            ),
            Self::SessionUnknown => (
                401,
                "session_unknown",
                "Session unknown",
                "This session no longer exists. Start a new one by opening the site again.",
            ),
            Self::SessionEnded => (
                401,
                "session_ended",
                "Signed out",
                "This session was ended. Start a new one by opening the site again.",
            ),
            Self::SessionRotated => (
                401,
                "session_rotated",
                "Session moved on",
                "This session continues under a newer cookie. Use that one, or start again by opening the site.",
            ),
            Self::SessionReplaced => (
                409,
                "session_replaced",
                "Just signed in",
                "This browser has just signed in and got a new cookie. Send the request again.",
            ),
            Self::SessionCorrupt => (
                401,
                "session_corrupt",
                "Session unreadable",
                "The stored session could not be read and was set aside. Start a new one by opening the site again.",
            ),
            Self::SchemaNewer => (
                503,
                "schema_newer",
                "Update in progress",
                "The session was written by a newer release. Try again shortly.",
            ),
            Self::KeyUnknown => (
                503,
                "key_unknown",
                "Update in progress",
                "The session is kept under a key that has not arrived here. Your session is kept; try again shortly.",
            ),
            Self::StoreUnavailable => (
                503,
                "store_unavailable",
                "Sessions unavailable",
                "The session storage does not answer. Your session is kept; try again shortly.",
            ),
            Self::ListUnavailable => (
                502,
                "list_unavailable",
                "List unavailable",
                "The list of sessions does not answer. Try again shortly; sessions themselves still work.",
            ),
            Self::BadPath => (
                400,
                "bad_path",
                "Bad path",
                "Different programs read this path differently. Write it without dot segments, backslashes, doubled slashes, parameters and unnecessary escapes.",
            ),
            Self::NotFound => (
                404,
                "not_found",
                "Not found",
                "There is nothing at this reserved path.",
            ),
            Self::MethodNotAllowed(_) => (
                405,
                "method_not_allowed",
                "Method not allowed",
                "Use one of the methods in the Allow header.",
            ),
            Self::Framing => (
                400,
                "framing",
                "Ambiguous body length",
                "Send either Content-Length or Transfer-Encoding, not both.",
            ),
            Self::UrlTooLong => (
                414,
                "url_too_long",
                "URL too long",
                "The URL is longer than 16 KiB, or its path is longer than 8 KiB and has escapes (%).",
            ),
            Self::HeadersTooLarge => (
                431,
                "headers_too_large",
                "Headers too large",
                "There are too many headers or cookies, or they are too large. Clear this site's cookies and try again.",
            ),
            Self::CrossSite => (
                403,
                "csrf",
                "Refused",
                "A page of another site sent this request. The operator names sites that may do so: EMBED_SITES.",
            ),
            Self::UpgradeVersion => (
                426,
                "upgrade_version",
                "WebSocket version",
                "Use WebSocket version 13.",
            ),
            Self::UpgradeKey => (
                400,
                "upgrade_key",
                "WebSocket key",
                "Send a Sec-WebSocket-Key of 16 bytes in base64.",
            ),
            Self::LoginUnconfigured => (
                503,
                "login_unconfigured",
                "No way to sign in",
                "This deployment requires sign-in but offers no way to do so. Set LOGIN_MODE to off, or configure a login method.",
            ),
            Self::OriginUnreachable => (
                502,
                "origin_unreachable",
                "Chat server unreachable",
                "The chat server could not be reached. Try again shortly; your session is kept.",
            ),
            Self::ServersUnknown => (
                503,
                "servers_unknown",
                "Chat servers unknown",
                "The list of chat servers could not be read yet. Try again shortly. Operators: the log event origin_list_failed and /_session/admin/origins give the cause.",
            ),
            Self::Overloaded(_) => (
                503,
                "overloaded",
                "Please wait a moment",
                "All chat servers are busy. This page tries again by itself; programs wait for the time in Retry-After.",
            ),
            Self::TenantFull => (
                503,
                "tenant_full",
                "Please wait a moment",
                "This site has as many sessions as it may have. This page tries again by itself; programs wait for the time in Retry-After.",
            ),
            Self::OriginProtocol => (
                502,
                "origin_protocol",
                "Chat server answered wrongly",
                "The chat server's answer was not valid HTTP.",
            ),
            Self::OriginTimeout => (
                504,
                "origin_timeout",
                "Chat server too slow",
                "The chat server did not begin to answer in time. Try again; your session is kept.",
            ),
            Self::AssetIsPage => (
                502,
                "asset_is_page",
                "Not a file",
                "The tenant's source for this file returned a web page, which is never served in a file's place. Name the file itself in the tenant's assets.",
            ),
            Self::ApiKey => (
                401,
                "api_key",
                "Key needed",
                "Present the key in the Authorization header as a Bearer token: ORIGIN_KEY for the session API, ADMIN_TOKEN for the admin API. An API whose secret is not set is closed.",
            ),
            Self::BodyTooLarge => (
                413,
                "body_too_large",
                "Body too large",
                "Send at most 64 KiB with a key or as an operator, 20 KiB otherwise, and a password of at most 1,024 bytes.",
            ),
            Self::BrokenBody => (
                400,
                "broken_body",
                "Broken body",
                "The request's body broke off or is not valid HTTP. Send it again.",
            ),
            Self::Body(BadBody::MediaType) => (
                415,
                "media_type",
                "Media type",
                "Send JSON as application/json, not compressed.",
            ),
            Self::Body(BadBody::Encoding) => (
                400,
                "bad_encoding",
                "Not UTF-8",
                "Send JSON in UTF-8 without a byte order mark.",
            ),
            Self::Body(BadBody::Depth) => (
                400,
                "json_depth",
                "Nested too deeply",
                "Nest at most 32 levels.",
            ),
            Self::Body(BadBody::Count) => (
                400,
                "json_count",
                "Too much JSON",
                "Send at most 1,024 values and names of members without a key of the API.",
            ),
            Self::Body(BadBody::Malformed) => (
                400,
                "bad_json",
                "Not a JSON object",
                "Send one JSON object in which no member occurs twice.",
            ),
            Self::Invalid(_) => (422, "invalid", "Not accepted", ""),
            Self::BadDocument(_) => (400, "bad_document", "The document has faults", ""),
            Self::PreconditionFailed => (
                412,
                "precondition_failed",
                "Changed meanwhile",
                "The stored value is not the one in If-Match any more. Read it again, and repeat the change.",
            ),
            Self::VersionChanged => (
                412,
                "version_changed",
                "Changed meanwhile",
                "The session has another version than If-Match names. Read it again, and repeat the change.",
            ),
            Self::VersionRequired => (
                428,
                "version_required",
                "Version needed",
                "With CONSISTENCY eventual changes are not ordered. Name the version that you read in If-Match.",
            ),
            Self::Leased(_) => (
                409,
                "leased",
                "Leased",
                "Another caller holds the session's lease, or the lease you name has ended. Try again after Retry-After, or name `wait`: 1 to 10 seconds.",
            ),
            Self::NotRecorded => (
                404,
                "not_recorded",
                "No record",
                "No session is recorded under this name. A guest's record begins with a response's X-Session-Patch or, with CONSISTENCY=strong, with this call if it names the session's start as begin.",
            ),
            Self::NeedsObjects => (
                409,
                "needs_objects",
                "Needs Durable Objects",
                "This needs Durable Objects, which order changes in all locations. Set CONSISTENCY to strong.",
            ),
            Self::Misconfigured(_) => (500, "misconfigured", "Not set up yet", ""),
            Self::Internal => (
                500,
                "internal",
                "Internal error",
                "Something went wrong here. Try again; the operator finds the cause by the trace id.",
            ),
        };
        Kind {
            status,
            code,
            title,
            detail,
        }
    }
}
