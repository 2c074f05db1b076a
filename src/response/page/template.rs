//! Templates: a page's markup with gaps. What fills a gap is escaped unless it is markup itself.
//!
//! | in a template | becomes |
//! | --- | --- |
//! | `{name}` | what fills the gap of this name |
//! | `{#name}…{/name}` | what stands between, if something fills the gap |
//! | `[English]` | the words in the page's language |

use super::i18n::said;
use crate::response::theme::locale::Locale;

/// What fills a gap.
pub(super) enum Slot<'a> {
    /// Somebody's words: of a document, a request, a user.
    Text(&'a str),
    /// Markup of ours.
    Markup(&'a str),
    /// Nothing; what stands between is there, or is not.
    If(bool),
}

use Slot::{If, Markup, Text};

/// A template, filled. A gap that nothing is said about stays empty.
pub(super) fn fill(
    template: &'static str,
    locale: Locale,
    fillings: &[(&str, Slot<'_>)],
) -> String {
    let mut page = String::with_capacity(template.len() * 2);
    push(&mut page, template, true, locale, fillings);
    page
}

/// Fills up to the end of the section. Returns what follows it.
fn push(
    page: &mut String,
    template: &'static str,
    is_shown: bool,
    locale: Locale,
    fillings: &[(&str, Slot<'_>)],
) -> &'static str {
    let mut rest = template;
    // What was filled in is never looked at again: it may look like a gap.
    while let Some((before, gap)) = rest.split_once('{') {
        if is_shown {
            push_said(page, before, locale);
        }
        let (name, after) = gap.split_once('}').unwrap_or((gap, ""));
        let filled = |name: &str| fillings.iter().find(|(other, _)| *other == name);
        rest = after;
        if name.starts_with('/') {
            return rest;
        }
        if let Some(name) = name.strip_prefix('#') {
            let is_there = filled(name).is_some_and(|(_, slot)| slot.is_there());
            rest = push(page, rest, is_shown && is_there, locale, fillings);
        } else if is_shown && let Some((_, slot)) = filled(name) {
            match slot {
                Text(text) => push_escaped(page, text),
                Markup(markup) => page.push_str(markup),
                If(_) => {}
            }
        }
    }
    push_said(page, rest, locale);
    ""
}

fn push_said(page: &mut String, mut template: &'static str, locale: Locale) {
    while let Some((before, words)) = template.split_once('[') {
        let (english, after) = words.split_once(']').unwrap_or((words, ""));
        page.push_str(before);
        page.push_str(said(locale, english));
        template = after;
    }
    page.push_str(template);
}

/// As text and in quoted attributes alike.
fn push_escaped(page: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            _ => page.push(char),
        }
    }
}

impl Slot<'_> {
    fn is_there(&self) -> bool {
        match self {
            Text(text) | Markup(text) => !text.is_empty(),
            If(is_there) => *is_there,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_sections_rendered_once() {
        let filled = |locale, there| {
            let template = "<p>{a}{b}{c}{#d} [Sign in] {#a}!{/a}{/d}</p>";
            let fillings = [
                ("a", Text("<'\"&>")),
                ("b", Markup("<b>")),
                ("d", If(there)),
            ];
            fill(template, locale, &fillings)
        };
        let start = "<p>&lt;&#39;&quot;&amp;&gt;<b>";
        assert_eq!(filled(Locale::English, false), format!("{start}</p>"));
        assert_eq!(
            filled(Locale::English, true),
            format!("{start} Sign in !</p>")
        );
        assert_eq!(filled(Locale::Chinese, true), format!("{start} 登录 !</p>"));
    }

    #[test]
    fn filled_values_are_not_interpreted_as_templates() {
        let fillings = [("a", Text("{b}[Sign in]{#b}")), ("b", Markup("b"))];
        assert_eq!(
            fill("{a}{b}", Locale::Chinese, &fillings),
            "{b}[Sign in]{#b}b"
        );
    }
}
