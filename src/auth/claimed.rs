//! Derives the identity from the claims of a verified token, and decides whether the tenant admits the user.
//!
//! The decision uses all claims. The record stores a limited part, because every request to an origin carries it. The
//! tenant's rules for later requests see this part only, so the groups that they ask for always have room in it.

use serde_json::Value;

use crate::auth::claims::Claims;
use crate::auth::methods::{Allow, ClaimNames};
use crate::encoding::json;
use crate::session::identity::MAX_GROUPS;
use crate::session::names::{MAX_LENGTH, header_text, is_identifier, presentable};
use crate::sorted;

/// Maximum size of `X-Session-Groups`, in bytes: servers reject requests with more than 8 to 16 KiB of headers.
const MAX_GROUP_BYTES: usize = 4 * 1024;

/// Reason why an authenticated user is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    /// The claims hold no valid user id.
    Nameless,
    /// The tenant does not allow this user.
    NotAllowed,
}

impl NotAdmitted {
    /// Returns the reason as text for the operator.
    #[must_use]
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Nameless => "no user in the claims that keeps to the rule for names",
            Self::NotAllowed => "not among those allowed",
        }
    }
}

/// Identity from verified claims.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claimed {
    /// Identity as JSON, for [`crate::session::identity::Identity::parse`].
    pub identity: Value,
    /// Number of omitted groups: beyond [`MAX_GROUPS`] or [`MAX_GROUP_BYTES`], too long, with a comma, or invalid as
    /// identifiers.
    pub groups_omitted: u32,
}

/// Derives the identity from claims. It omits an invalid address or group and cleans the display name, but never
/// changes the user id.
///
/// # Errors
/// Returns [`NotAdmitted`].
pub(crate) fn identity(
    claims: &Claims,
    names: &ClaimNames,
    allow: &Allow,
) -> Result<Claimed, NotAdmitted> {
    let email = proved_address(claims, &names.email, allow);
    let user = match find(claims, &names.user) {
        Some(Value::String(_)) if names.user == names.email || is_email_claim(&names.user) => {
            proved_address(claims, &names.user, allow).map(str::to_owned)
        }
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let user = user.filter(|user| is_identifier(user));
    let user = user.ok_or(NotAdmitted::Nameless)?;
    let groups = Groups::read(find(claims, &names.groups));
    if !admits(allow, email, &groups) {
        return Err(NotAdmitted::NotAllowed);
    }
    let name = find(claims, &names.name)
        .and_then(Value::as_str)
        .map(presentable);
    let name = name.filter(|name| !name.is_empty());
    let (listed, groups_omitted) = groups.to_store([&allow.rule_groups, &allow.groups]);
    Ok(Claimed {
        identity: json!({ "user": user, "email": email, "name": name, "groups": listed }),
        groups_omitted,
    })
}

/// Merges claims; `first` wins where both have one. `email_verified` applies only to the address in the same claims,
/// never to the other's.
#[must_use]
pub(crate) fn merged(mut first: Claims, second: Claims) -> Claims {
    let address = first.get("email").cloned();
    let is_same = address.as_ref() == second.get("email");
    if address.is_none() {
        first.remove("email_verified");
    }
    for (name, value) in second {
        if name != "email_verified" || is_same || address.is_none() {
            first.entry(name).or_insert(value);
        }
    }
    first
}

/// Returns the address in a claim if it is verified. Without a statement of the provider the tenant's setting decides.
/// An unverified address may belong to another person.
fn proved_address<'c>(claims: &'c Claims, name: &str, allow: &Allow) -> Option<&'c str> {
    let address = find(claims, name)?
        .as_str()
        .filter(|text| is_address(text))?;
    let is_theirs = is_verified(claims, name, address).unwrap_or(allow.unverified_email);
    is_theirs.then_some(address)
}

/// Returns the provider's statement on an address. `email_verified` applies to the `email` next to it (OpenID Connect
/// Core section 5.1), and to no other claim with another address.
fn is_verified(claims: &Claims, name: &str, address: &str) -> Option<bool> {
    let adjacent = match name.strip_suffix(".email") {
        Some(within) => find(claims, &format!("{within}.email_verified")),
        None => None,
    };
    let is_email = claims.get("email").and_then(Value::as_str) == Some(address);
    let statement = adjacent.or_else(|| claims.get("email_verified").filter(|_| is_email))?;
    Some(match statement {
        Value::Bool(statement) => *statement,
        // Some providers send the boolean as text.
        Value::String(statement) => statement == "true",
        _ => false,
    })
}

fn is_email_claim(name: &str) -> bool {
    name == "email" || name.ends_with(".email")
}

/// Finds a claim by its name or its dotted path: `realm_access.roles`.
fn find<'c>(claims: &'c Claims, name: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    find(claims.get(first)?.as_object()?, rest)
}

/// Groups in a claim: a list, or a text separated by commas.
struct Groups<'c> {
    listed: Vec<&'c str>,
    /// Text as it is: the name of a single group may contain commas.
    whole: Option<&'c str>,
}

impl<'c> Groups<'c> {
    fn read(claim: Option<&'c Value>) -> Self {
        let (listed, whole): (Vec<&str>, _) = match claim {
            Some(Value::String(one)) => (one.split(',').map(str::trim).collect(), Some(one)),
            Some(Value::Array(many)) => (many.iter().filter_map(Value::as_str).collect(), None),
            _ => (Vec::new(), None),
        };
        let listed = listed.into_iter().filter(|group| !group.is_empty());
        Self {
            listed: listed.collect(),
            whole: whole.map(String::as_str),
        }
    }

    fn has(&self, group: &str) -> bool {
        self.whole == Some(group) || self.listed.contains(&group)
    }

    /// Returns the groups to store, and the number of omitted ones. If not all fit, those that the first list of
    /// `wanted` names come first, then those of the second.
    fn to_store(&self, wanted: [&[String]; 2]) -> (Vec<&'c str>, u32) {
        let fits = |group: &&&str| is_identifier(group) && !group.contains(',');
        let mut fitting: Vec<&str> = self.listed.iter().filter(fits).copied().collect();
        if !all_fit(&fitting) {
            let unwanted = wanted.iter().map(|list| list.len()).sum();
            let place = |group: &str| {
                let position = wanted.into_iter().flatten().position(|one| one == group);
                position.unwrap_or(unwanted)
            };
            let mut placed: Vec<(usize, &str)> =
                fitting.iter().map(|group| (place(group), *group)).collect();
            sorted::by(&mut placed, |one, other| one.0.cmp(&other.0));
            // A group that a claim repeats must not take the room of another.
            placed.dedup();
            fitting = placed.into_iter().map(|(_, group)| group).collect();
        }
        let mut used = 0;
        fitting.retain(|group| {
            let more = used + bytes(group);
            let has_room = more <= MAX_GROUP_BYTES;
            if has_room {
                used = more;
            }
            has_room
        });
        fitting.truncate(MAX_GROUPS);
        let omitted = self.listed.len().saturating_sub(fitting.len());
        (fitting, u32::try_from(omitted).unwrap_or(u32::MAX))
    }
}

/// Returns whether a session can store all these groups.
#[must_use]
pub(crate) fn all_fit<G: AsRef<str>>(groups: &[G]) -> bool {
    let all: usize = groups.iter().map(|group| bytes(group.as_ref())).sum();
    all <= MAX_GROUP_BYTES && groups.len() <= MAX_GROUPS
}

/// Returns the bytes of a group in `X-Session-Groups`.
fn bytes(group: &str) -> usize {
    header_text(group).len() + 1
}

fn admits(allow: &Allow, email: Option<&str>, groups: &Groups<'_>) -> bool {
    let domain = email
        .and_then(|email| email.rsplit_once('@'))
        .map(|(_, domain)| domain);
    let is_of_domain = |one: &String| domain.is_some_and(|domain| domain.eq_ignore_ascii_case(one));
    let is_in_group = |one: &String| groups.has(one);
    (allow.email_domains.is_empty() || allow.email_domains.iter().any(is_of_domain))
        && (allow.groups.is_empty() || allow.groups.iter().any(is_in_group))
}

/// Returns whether the text has one `@`, text on both sides, and no character with two readings.
fn is_address(text: &str) -> bool {
    let mut parts = text.split('@');
    let both = parts.next().is_some_and(|part| !part.is_empty())
        && parts.next().is_some_and(|part| !part.is_empty());
    let odd = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | ',');
    both && parts.next().is_none()
        && text.len() <= MAX_LENGTH
        && is_identifier(text)
        && !text.contains(odd)
}

#[cfg(test)]
mod tests;
