//! Converts a URL to the form in which `fetch` sends it. The runtime passes a request's target as it came, and `fetch`
//! resolves it by the URL standard. So all checks use the resolved form, or another path would be sent than was
//! allowed.
//!
//! Authority: the WHATWG URL standard, path state and query state of a special scheme. Other readers decode before
//! they resolve, fold slashes or cut off parameters. A path that would lead them elsewhere than `fetch` is rejected.

use thiserror::Error;

use super::percent;
use super::request::Location;

/// Path that different readers resolve to different places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the path leads one reader here and another there")]
pub(crate) struct TwoReadings;

/// Returns the URL as `fetch` sends it; `None` if it has that form already, as nearly all have.
///
/// # Errors
/// Returns [`TwoReadings`].
pub(crate) fn canonical(location: &Location<'_>) -> Result<Option<String>, TwoReadings> {
    let Location { path, target, .. } = *location;
    let rest = target.get(path.len()..).unwrap_or_default();
    if is_usual(path) && rest.bytes().all(|b| !is_escaped_in_query(b)) {
        return Ok(None);
    }
    // `fetch` never sends a fragment, which also ends the path.
    let (path, _) = path.split_once('#').unwrap_or((path, ""));
    let (target, _) = target.split_once('#').unwrap_or((target, ""));
    let query = target.get(path.len()..).unwrap_or_default();
    // No request line has these bytes (RFC 9112 section 3); `fetch` drops some and escapes others.
    if target.bytes().any(|b| b <= b' ' || b == 0x7f) {
        return Err(TwoReadings);
    }
    let has_dots = checked(path.as_bytes())?;
    let is_sent_so = !has_dots
        && path.len() + query.len() == location.target.len()
        && path.bytes().all(|b| !is_escaped_in_path(b))
        && query.bytes().all(|b| !is_escaped_in_query(b));
    let beginning = [location.scheme, "://", location.authority];
    // `fetch` sends no user information before the host.
    let beginning_length: usize = beginning.iter().map(|part| part.len()).sum();
    if is_sent_so && beginning_length + location.target.len() == location.href.len() {
        return Ok(None);
    }
    let mut url = Vec::with_capacity(location.href.len() + 16);
    for part in beginning {
        url.extend_from_slice(part.as_bytes());
    }
    let start = url.len();
    if has_dots {
        push_resolved(&mut url, path.as_bytes());
        // Resolving brings other segments next to each other, so check again.
        checked(url.get(start..).unwrap_or_default())?;
    } else {
        push(&mut url, path.as_bytes(), is_escaped_in_path);
    }
    push(&mut url, query.as_bytes(), is_escaped_in_query);
    let url = String::from_utf8(url).map_err(|_| TwoReadings)?;
    Ok((url != location.href).then_some(url))
}

/// Returns whether a path needs no closer check: no escape, no parameter, no empty segment, none that begins with a
/// dot, and no byte that `fetch` escapes.
fn is_usual(path: &str) -> bool {
    let mut before = 0;
    for byte in path.bytes() {
        let is_odd = match byte {
            b'/' | b'.' => before == b'/',
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => false,
            b'%' | b'\\' | b';' => true,
            _ => is_escaped_in_path(byte),
        };
        if is_odd {
            return false;
        }
        before = byte;
    }
    true
}

/// Returns whether a byte is in the query percent-encode set of special schemes.
fn is_escaped_in_query(byte: u8) -> bool {
    !matches!(byte, b'!'..=b'~') || matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\'')
}

/// Returns whether a byte is in the path percent-encode set, which does not include `'`.
fn is_escaped_in_path(byte: u8) -> bool {
    (is_escaped_in_query(byte) && byte != b'\'') || matches!(byte, b'?' | b'^' | b'`' | b'{' | b'}')
}

/// Returns whether there are dot segments to resolve.
///
/// # Errors
/// Returns [`TwoReadings`].
fn checked(path: &[u8]) -> Result<bool, TwoReadings> {
    // `fetch` turns it into a slash, others leave it.
    if path.contains(&b'\\') {
        return Err(TwoReadings);
    }
    let mut has_dots = false;
    let mut left: Vec<Kind> = Vec::new();
    let mut before = Kind::Plain;
    let mut segments = path.split(|b| *b == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let kind = Kind::of(segment, segments.peek().is_none())?;
        if kind.is_unclear_beside(before) || before.is_unclear_beside(kind) {
            return Err(TwoReadings);
        }
        before = kind;
        has_dots |= matches!(kind, Kind::Here | Kind::Up);
        match kind {
            Kind::Here => {}
            // To some readers the removed segment is none, to others it is several.
            Kind::Up => {
                if let Some(Kind::Empty | Kind::Odd) = left.pop() {
                    return Err(TwoReadings);
                }
            }
            kind => left.push(kind),
        }
    }
    Ok(has_dots)
}

/// Kind of segment, by how its readers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// All readers agree.
    Plain,
    /// Empty between two slashes: some readers fold these.
    Empty,
    /// `.`, possibly escaped, as the URL standard defines it: all readers resolve it.
    Here,
    /// `..`, likewise.
    Up,
    /// Encoded slash or backslash, parameter, or nested escape: some readers see several segments, or another name.
    Odd,
}

impl Kind {
    fn of(segment: &[u8], is_last: bool) -> Result<Self, TwoReadings> {
        if segment.is_empty() {
            return Ok(if is_last { Self::Plain } else { Self::Empty });
        }
        match dots(segment) {
            Some(1) => return Ok(Self::Here),
            Some(_) => return Ok(Self::Up),
            None => {}
        }
        if !segment.iter().any(|b| matches!(b, b'%' | b';')) {
            return Ok(Self::Plain);
        }
        let decoded = percent::decoded(segment);
        let mut is_odd = decoded.is_nested;
        let mut before = b'/';
        let mut rest = decoded.bytes.as_slice();
        while let [byte, after @ ..] = rest {
            let (begins, begins_overlong) = (is_slash(before), before >= 0xc0);
            // Dots that only those readers see that decode, cut off or trim first.
            let is_refused = *byte == 0
                || (begins && *byte == b'.' && is_dots(rest))
                || (begins_overlong && is_overlong(before, *byte));
            if is_refused {
                return Err(TwoReadings);
            }
            is_odd |= is_slash(*byte) || *byte == b';';
            before = *byte;
            rest = after;
        }
        Ok(if is_odd { Self::Odd } else { Self::Plain })
    }

    /// Returns whether one reader resolves or folds what another decodes first.
    fn is_unclear_beside(self, other: Self) -> bool {
        self == Self::Odd && matches!(other, Self::Empty | Self::Here | Self::Up)
    }
}

/// Returns the number of dots in a dot segment of the URL standard; `None` for any other segment.
fn dots(segment: &[u8]) -> Option<usize> {
    let rest = without_dot(segment)?;
    if rest.is_empty() {
        return Some(1);
    }
    without_dot(rest)?.is_empty().then_some(2)
}

fn without_dot(bytes: &[u8]) -> Option<&[u8]> {
    let ([b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..]) = bytes else {
        return None;
    };
    Some(rest)
}

/// Returns a decoded segment without its parameters and trailing blanks.
pub(super) fn name(segment: &[u8]) -> &[u8] {
    let end = segment.iter().position(|b| *b == b';');
    let name = end.and_then(|end| segment.get(..end));
    name.unwrap_or(segment).trim_ascii_end()
}

/// Returns whether decoded bytes begin with a dot segment, not counting its parameters and trailing blanks.
fn is_dots(bytes: &[u8]) -> bool {
    let ([b'.', b'.', rest @ ..] | [b'.', rest @ ..]) = bytes else {
        return false;
    };
    let end = rest.iter().find(|b| !b.is_ascii_whitespace());
    end.is_none_or(|b| is_slash(*b) || *b == b';')
}

fn is_slash(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// Returns whether a character that begins with these two bytes is overlong (RFC 3629 section 3): lax decoders see a
/// slash or a dot there.
fn is_overlong(first: u8, second: u8) -> bool {
    matches!(
        (first, second),
        (0xc0 | 0xc1, 0x80..=0xbf) | (0xe0, 0x80..=0x9f) | (0xf0, 0x80..=0x8f)
    )
}

/// Appends a path without its dot segments.
fn push_resolved(url: &mut Vec<u8>, path: &[u8]) {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut is_open = false;
    for segment in path.split(|b| *b == b'/').skip(1) {
        let dots = dots(segment);
        // After dots at the end, a slash remains.
        is_open = dots.is_some();
        match dots {
            None => kept.push(segment),
            Some(2) => {
                kept.pop();
            }
            Some(_) => {}
        }
    }
    for segment in &kept {
        url.push(b'/');
        push(url, segment, is_escaped_in_path);
    }
    if is_open {
        url.push(b'/');
    }
}

/// Appends a part of a URL, and escapes the bytes for which `is_escaped` holds, including all that are not ASCII.
fn push(url: &mut Vec<u8>, part: &[u8], is_escaped: fn(u8) -> bool) {
    let mut rest = part;
    while let Some(at) = rest.iter().position(|b| is_escaped(*b)) {
        let (plain, after) = rest.split_at(at);
        url.extend_from_slice(plain);
        let [byte, after @ ..] = after else {
            return;
        };
        percent::push_escaped(url, *byte);
        rest = after;
    }
    url.extend_from_slice(rest);
}

#[cfg(test)]
mod tests;
