//! Defines the problems of signing in.

/// Reason why a sign-in failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignInProblem {
    /// This browser has no such pending sign-in, or it has expired.
    State,
    /// The provider, or its user, refused.
    Denied,
    /// Another provider responded than was requested.
    Mixup,
    /// The provider's server responded with something else than tokens.
    ProviderFailed,
    /// The provider's tokens or claims are invalid.
    ProviderToken,
    /// The provider's published metadata is unusable.
    ProviderMisconfigured,
    /// The provider does not respond.
    ProviderUnavailable,
    /// The tenant does not admit this user.
    NotAdmitted,
    /// The token to exchange is invalid.
    Token,
    /// The path requires a more recent sign-in.
    StepUp,
    /// No account has this name and password.
    Wrong,
    /// The account had too many attempts. Holds the seconds to wait.
    Locked(u64),
    /// The isolate checks too many passwords at once. Holds the seconds to wait.
    Busy(u64),
    /// Accounts cannot be read.
    AccountsUnavailable,
}

impl SignInProblem {
    /// Returns status, stable code, title, and detail with the next step.
    #[must_use]
    pub(crate) fn kind(self) -> (u16, &'static str, &'static str, &'static str) {
        match self {
            Self::State => (
                400,
                "login_state",
                "Please sign in again",
                "This sign-in was not begun in this browser, was finished already, or took longer than ten minutes. Begin again.",
            ),
            Self::Denied => (
                403,
                "login_denied",
                "Not signed in",
                "The sign-in was cancelled or refused by the identity provider. Begin again, or ask the provider's operator.",
            ),
            Self::Mixup => (
                400,
                "login_mixup",
                "Please sign in again",
                "The response came from another identity provider than the sign-in began with. Begin again.",
            ),
            Self::ProviderFailed => (
                502,
                "idp_failed",
                "The identity provider failed",
                "The identity provider's response was invalid. Begin again; if it happens again, tell the operator of this site.",
            ),
            Self::ProviderToken => (
                502,
                "idp_token_invalid",
                "The identity provider failed",
                "The identity provider's statement about you could not be verified; the reason is in the operator's log. Begin again.",
            ),
            Self::ProviderMisconfigured => (
                503,
                "idp_misconfigured",
                "Signing in is being set up",
                "The identity provider's published settings are unusable; the reason is in the operator's log. Try again later.",
            ),
            Self::ProviderUnavailable => (
                503,
                "idp_unavailable",
                "Please try again",
                "The identity provider does not answer right now. Try again in a few seconds; users who have signed in stay signed in.",
            ),
            Self::NotAdmitted => (
                403,
                "not_admitted",
                "No access for this account",
                "You have signed in, but this site is not open to your account. Ask its operator, or use another account.",
            ),
            Self::Token => (
                401,
                "token_invalid",
                "Token not accepted",
                "The token cannot be exchanged here. Check its issuer, audience, signature and times, and that it was not used before.",
            ),
            Self::StepUp => (
                401,
                "step_up_required",
                "Please sign in once more",
                "This needs a more recent sign-in. Open it in a browser and sign in once more.",
            ),
            Self::Wrong => (
                401,
                "login_wrong",
                "Name or password is wrong",
                "No account has this name and password. Check both and try again.",
            ),
            Self::Locked(_) => (
                429,
                "login_locked",
                "Too many attempts",
                "Signing in to this account failed too often. Wait for the time in Retry-After.",
            ),
            Self::Busy(_) => (
                429,
                "login_busy",
                "Please try again",
                "Too many people are signing in at this moment. Wait for the time in Retry-After and try again.",
            ),
            Self::AccountsUnavailable => (
                503,
                "accounts_unavailable",
                "Please try again",
                "Accounts cannot be read right now. Try again in a few seconds.",
            ),
        }
    }

    /// Returns the headers for the response.
    #[must_use]
    pub(crate) fn hints(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Locked(seconds) | Self::Busy(seconds) => {
                vec![("retry-after", seconds.to_string())]
            }
            Self::ProviderUnavailable | Self::AccountsUnavailable => {
                vec![("retry-after", "5".to_owned())]
            }
            Self::Token => vec![(
                "www-authenticate",
                "Bearer realm=\"vestibule\", error=\"invalid_token\"".to_owned(),
            )],
            // RFC 9470.
            Self::StepUp => vec![(
                "www-authenticate",
                "Session realm=\"vestibule\", error=\"insufficient_user_authentication\""
                    .to_owned(),
            )],
            Self::Wrong => vec![("www-authenticate", "Session realm=\"vestibule\"".to_owned())],
            _ => Vec::new(),
        }
    }
}
