//! Hides secrets in a session's data from operators, by the names and shapes of the values.
//!
//! Operators need no tokens to manage sessions. This is a safeguard without guarantee: a password under the name `note`
//! is shown. In doubt a value is hidden, because an operator can find it elsewhere.

use serde_json::{Map, Value};

/// Replacement of a secret.
pub(crate) const HIDDEN: &str = "•••";

/// Parts of a key that mark a secret, whatever surrounds them: `accessToken`, `X-Api-Key`, `db_passwd`.
const SECRET_PARTS: [&str; 18] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "authorization",
    "credential",
    "cookie",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "sessionid",
    "sessid",
    "cardnumber",
    "creditcard",
    "bearer",
];

/// Words of a key that mark a secret. They are too short to match inside other words.
const SECRET_WORDS: [&str; 16] = [
    "pwd", "pass", "pw", "sid", "jwt", "auth", "csrf", "xsrf", "otp", "pin", "ssn", "card", "pan",
    "cvv", "cvc", "iban",
];

/// Last words of a key that mark a secret.
const SECRET_ENDS: [&str; 2] = ["key", "keys"];

/// Prefixes that issuers give their secrets to make leaks recognisable.
const SECRET_PREFIXES: [&str; 11] = [
    "sk-",
    "sk_",
    "rk_",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "AKIA",
];

/// Minimum characters of a text that is secret by its shape.
const MIN_SECRET_LENGTH: usize = 32;

/// Minimum characters after a known prefix.
const MIN_REST: usize = 12;

/// Minimum bits per character of random text. Words and identifiers stay below; 32 characters of base64 hardly ever do.
const RANDOM_BITS: f64 = 4.2;

/// Minimum for hexadecimal digits, which have at most four bits.
const RANDOM_BITS_OF_HEX: f64 = 3.0;

/// Data without its secrets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Redacted {
    /// Data with [`HIDDEN`] in place of secrets.
    pub value: Value,
    /// Paths of the secrets, such as `user.tokens[0]`, in the order of the data.
    pub paths: Vec<String>,
}

/// Hides the values that look like secrets.
#[must_use]
pub(crate) fn redacted(value: &Value) -> Redacted {
    let mut paths = Vec::new();
    let value = shown(value, "", &mut paths);
    Redacted { value, paths }
}

fn shown(value: &Value, path: &str, paths: &mut Vec<String>) -> Value {
    match value {
        Value::Object(members) => {
            let mut rest = Map::new();
            for (key, member) in members {
                let path = match path {
                    "" => key.clone(),
                    _ => format!("{path}.{key}"),
                };
                let member = if names_a_secret(key) {
                    hidden(path, paths)
                } else {
                    shown(member, &path, paths)
                };
                rest.insert(key.clone(), member);
            }
            Value::Object(rest)
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items
                .map(|(at, item)| shown(item, &format!("{path}[{at}]"), paths))
                .collect()
        }
        Value::String(text) if is_secret(text) || holds_secret(text) => {
            hidden(path.to_owned(), paths)
        }
        other => other.clone(),
    }
}

fn hidden(path: String, paths: &mut Vec<String>) -> Value {
    paths.push(path);
    Value::from(HIDDEN)
}

/// Returns whether a text contains a labelled secret, such as `?access_token=…` or JSON within a text, or a payment
/// card number.
fn holds_secret(text: &str) -> bool {
    let named = text.match_indices(['=', ':']).any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default();
        let before = before.trim_end_matches(['"', '\'', '\\', ' ']);
        let key = before.rsplit(|c: char| !is_of_word(c) && !matches!(c, '_' | '-'));
        let value = text.get(at + 1..).unwrap_or_default();
        let value = value.trim_start_matches(['"', '\'', '\\', ' ']);
        !value.is_empty() && key.into_iter().next().is_some_and(names_a_secret)
    });
    named || is_card(text)
}

/// Returns whether a text is a number of 13 to 19 digits with a valid check digit (ISO/IEC 7812-1, annex B).
fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let is_number = text
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-'));
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => *digit,
            (_, twice) => twice / 10 + twice % 10,
        })
        .sum();
    is_number && (13..=19).contains(&digits.len()) && sum.is_multiple_of(10)
}

/// Returns whether a key marks its value as secret.
fn names_a_secret(key: &str) -> bool {
    let mut whole: String = key.chars().filter(|c| is_of_word(*c)).collect();
    whole.make_ascii_lowercase();
    if SECRET_PARTS.iter().any(|part| whole.contains(part)) {
        return true;
    }
    // Split by separators, and also by capitals: `user_pwd`, `userPwd`. `API_KEY` must not be split at its capitals.
    [words(key, false), words(key, true)].iter().any(|words| {
        let is_word = |word: &String| SECRET_WORDS.contains(&word.as_str());
        let ends = |word: &String| SECRET_ENDS.contains(&word.as_str());
        words.iter().any(is_word) || words.last().is_some_and(ends)
    })
}

/// Splits a key into words in lower case; with `by_humps` also before a capital after a small letter.
fn words(key: &str, by_humps: bool) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in key.chars() {
        let begins = !is_of_word(c) || (by_humps && was_small && c.is_ascii_uppercase());
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut()
            && is_of_word(c)
        {
            word.push(c.to_ascii_lowercase());
        }
        was_small = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Returns whether a character belongs to a word. All known names are ASCII; tables for other scripts would cost more
/// than they find.
fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || !c.is_ascii()
}

/// Returns whether part of a text has the shape of a secret.
fn is_secret(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_+/=.".contains(c);
    text.split(|c| !is_part(c))
        .any(|part| is_jwt(part) || begins_like_one(part) || part.split('.').any(is_random))
}

/// Returns whether a text is a JWT: three base64url parts, of which the first is an object (RFC 7519 section 3).
fn is_jwt(part: &str) -> bool {
    let is_text = |text: &&str| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let parts: Vec<&str> = part.split('.').filter(is_text).collect();
    part.starts_with("eyJ") && parts.len() >= 3 && part.len() >= MIN_SECRET_LENGTH
}

fn begins_like_one(part: &str) -> bool {
    SECRET_PREFIXES.iter().any(|beginning| {
        let rest = part.strip_prefix(beginning);
        rest.is_some_and(|rest| rest.len() >= MIN_REST)
    })
}

/// Returns whether a text without blanks is long and as random as a key or token.
fn is_random(run: &str) -> bool {
    if run.len() < MIN_SECRET_LENGTH {
        return false;
    }
    let has = |is: fn(&u8) -> bool| run.as_bytes().iter().any(is);
    let (small, capital) = (has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase));
    let digit = has(u8::is_ascii_digit);
    // A UUID has dashes and identifies a thing, so it is shown.
    let is_hex = run.bytes().all(|b| b.is_ascii_hexdigit()) && digit && (small || capital);
    let is_mixed = (small && capital) || (digit && (small || capital));
    let bits = bits_per_character(run);
    (is_hex && bits >= RANDOM_BITS_OF_HEX) || (is_mixed && bits >= RANDOM_BITS)
}

/// Computes the Shannon entropy per character.
#[expect(
    clippy::cast_precision_loss,
    reason = "a session holds far less than 2^52 characters"
)]
fn bits_per_character(text: &str) -> f64 {
    let mut counts = [0_usize; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let all = text.len() as f64;
    let bits = |count: &usize| {
        let share = *count as f64 / all;
        -share * share.log2()
    };
    counts.iter().filter(|count| **count > 0).map(bits).sum()
}

#[cfg(test)]
mod tests;
