//! Splits Rust source into tokens, as far as finding the paths in it requires.

/// Returns the tokens of a source without comments, literals and test-only items. Words and `::` are one token each;
/// any other character is a token. Only the literal of a `path` attribute stays.
pub(crate) fn tokens(text: &str) -> Vec<&str> {
    without_tests(&all_tokens(text))
}

fn all_tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let literal = literal(rest);
        if tokens.ends_with(&PATH_OF) {
            tokens.extend(literal.and_then(|length| rest.get(..length)));
        }
        let length = literal.unwrap_or_else(|| {
            let word = rest.find(|c: char| !is_of_word(c)).unwrap_or(rest.len());
            let length = match word {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                word => word,
            };
            if !first.is_whitespace() {
                tokens.extend(rest.get(..length));
            }
            length
        });
        rest = rest.get(length..).unwrap_or_default();
    }
    tokens
}

/// Tokens before the path of a module in an unusual file.
const PATH_OF: [&str; 4] = ["#", "[", "path", "="];

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the length of the comment or literal at the start of `rest`.
fn literal(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    let unprefixed = rest.trim_start_matches(['b', 'c']);
    let prefix = rest.len() - unprefixed.len();
    if prefix > 1 {
        return None;
    }
    if let Some(raw) = unprefixed.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let body = raw.get(hashes..)?.strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let length = body.find(&end).map_or(body.len(), |at| at + end.len());
        return Some(prefix + 1 + hashes + 1 + length);
    }
    if let Some(body) = unprefixed.strip_prefix('"') {
        return Some(prefix + 1 + closing(body, '"'));
    }
    let body = unprefixed.strip_prefix('\'')?;
    let mut chars = body.chars();
    let is_char = chars.next()? == '\\' || chars.next()? == '\'';
    // Otherwise the quote begins a lifetime.
    is_char.then(|| prefix + 1 + closing(body, '\''))
}

/// Returns the length of a block comment. Block comments nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        let step = tail.chars().next().map_or(1, char::len_utf8);
        let (change, step) = match tail.get(..2) {
            Some("/*") => (1, 2),
            Some("*/") => (-1, 2),
            _ => (0, step),
        };
        depth += change;
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Returns the position after the next unescaped quote.
fn closing(body: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    body.len()
}

const TEST_ONLY: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

/// Removes the item after each `#[cfg(test)]`.
fn without_tests<'t>(tokens: &[&'t str]) -> Vec<&'t str> {
    let mut kept = Vec::new();
    let mut rest = tokens;
    while let Some((first, tail)) = rest.split_first() {
        if let Some(tested) = rest.strip_prefix(&TEST_ONLY) {
            rest = tested.get(item(tested)..).unwrap_or_default();
        } else {
            kept.push(*first);
            rest = tail;
        }
    }
    kept
}

/// Counts the tokens of the first item, up to its semicolon or closing brace.
fn item(tokens: &[&str]) -> usize {
    let is_use = tokens
        .iter()
        .take_while(|token| **token != ";")
        .any(|token| *token == "use")
        && !tokens
            .iter()
            .take_while(|token| **token != "use")
            .any(|token| *token == "{");
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        let ends = *token == ";" || (*token == "}" && !is_use);
        if depth == 0 && ends {
            return at + 1;
        }
    }
    tokens.len()
}

/// Module in a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Module<'t> {
    /// Name of the module.
    pub(crate) name: &'t str,
    /// Path of its file, if a `path` attribute sets one.
    pub(crate) file: Option<&'t str>,
}

/// Returns the modules in files of their own.
pub(crate) fn modules<'t>(tokens: &[&'t str]) -> Vec<Module<'t>> {
    let mut modules = Vec::new();
    let mut file = None;
    let mut rest = tokens;
    while let Some((_, tail)) = rest.split_first() {
        if let Some([path, ..]) = rest.strip_prefix(&PATH_OF) {
            file = Some(path.trim_matches('"'));
        }
        if let ["mod", name, ";", ..] = rest {
            modules.push(Module {
                name,
                file: file.take(),
            });
        }
        rest = tail;
    }
    modules
}

/// Returns the names at the crate's root that a module's tokens use. `depth` is the module's depth below the root.
pub(crate) fn named<'t>(tokens: &[&'t str], depth: usize) -> Vec<&'t str> {
    let mut names = Vec::new();
    let mut before = "";
    let mut rest = tokens;
    while let Some((first, tail)) = rest.split_first() {
        if before != "::" {
            if let ["crate", "::", path @ ..] = rest {
                names.extend(first_segments(path));
            }
            let up = rest
                .chunks(2)
                .take_while(|pair| *pair == ["super", "::"])
                .count();
            if up > 0 && up >= depth {
                names.extend(first_segments(rest.get(2 * up..).unwrap_or_default()));
            }
        }
        before = first;
        rest = tail;
    }
    names
}

/// Returns the first segment of a path, or those of a group.
fn first_segments<'t>(path: &[&'t str]) -> Vec<&'t str> {
    let mut depth = 0;
    let mut names = Vec::new();
    let mut before = "";
    for token in path {
        match *token {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," => {}
            name if depth == 0 || (depth == 1 && matches!(before, "{" | ",")) => names.push(name),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        before = token;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, depth: usize) -> Vec<&str> {
        named(&tokens(text), depth)
    }

    #[test]
    fn use_declarations_and_inline_paths_count() {
        let text = "use crate::store::{cache::Known, Need};
            use crate::{encoding, tenant_id::{TenantId, parse}, clock::*};
            fn f<'a>(x: &'a str, c: char) -> crate::keys::Key { crate::route::go('\\'', x) }
            macro_rules! m { () => { $crate::brand::x() } }";
        let found = [
            "store",
            "encoding",
            "tenant_id",
            "clock",
            "keys",
            "route",
            "brand",
        ];
        assert_eq!(names(text, 1), found);
    }

    #[test]
    fn comments_literals_and_tests_do_not_count() {
        let text = "//! See crate::a::b.
            /* crate::a::b /* crate::c */ crate::d */
            const A: &str = \"crate::a::b \\\" crate::c\";
            const B: &str = r#\"crate::a \" crate::b\"#;
            const C: &[u8] = b\"crate::a\";
            const D: (char, u8) = ('\"', b'\"');
            #[cfg(test)]
            use crate::{f, g};
            #[cfg(test)]
            mod golden;
            #[cfg(test)]
            #[allow(dead_code)]
            mod tests { use crate::h; fn f() { crate::i::j(); } }
            #[cfg(test)]
            fn only(x: [u8; 2]) { crate::k::l(); }
            use crate::last;";
        assert_eq!(names(text, 1), ["last"]);
        assert_eq!(modules(&tokens(text)), []);
    }

    #[test]
    fn super_paths_count() {
        assert_eq!(names("use super::clock; use self::inner::a;", 1), ["clock"]);
        assert_eq!(
            names("use super::own; use super::super::keys::K;", 2),
            ["keys"]
        );
        assert_eq!(
            names("pub(super) fn f() {} pub(in super::super) fn g() {}", 2),
            [""; 0]
        );
    }

    #[test]
    fn modules_in_files_are_found() {
        let text = "pub mod a; #[cfg(x)] #[path = \"d/b.rs\"] mod b; pub(crate) mod c; mod d { fn f() {} }";
        let module = |name, file| Module { name, file };
        let found = [
            module("a", None),
            module("b", Some("d/b.rs")),
            module("c", None),
        ];
        assert_eq!(modules(&tokens(text)), found);
    }
}
