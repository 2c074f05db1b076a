//! Fills templates: markup with slots. Values are escaped unless they are markup.
//!
//! | in a template | becomes |
//! | --- | --- |
//! | `{name}` | the value of this slot, in the first list that has it |
//! | `{#name}…{/name}` | the content, if the slot has a value |
//! | `[key]` | the text with this key in the page's language |

use crate::response::texts;
use crate::response::theme::locale::Locale;

/// Value of a slot.
pub(super) enum Slot<'a> {
    /// Untrusted text: of a document, a request, a user.
    Text(&'a str),
    /// Trusted markup of ours.
    Markup(&'a str),
    /// No value; shows or hides a section.
    If(bool),
}

use Slot::{If, Markup, Text};

/// Name of a slot, and its value.
pub(super) type Filling<'a> = (&'a str, Slot<'a>);

/// Fills a template. A slot without a value stays empty.
pub(super) fn fill(template: &'static str, locale: Locale, fillings: &[&[Filling<'_>]]) -> String {
    let mut page = String::with_capacity(template.len() * 2);
    push(&mut page, template, true, locale, fillings);
    page
}

/// Fills up to the end of the section. Returns the rest of the template.
fn push(
    page: &mut String,
    template: &'static str,
    is_shown: bool,
    locale: Locale,
    fillings: &[&[Filling<'_>]],
) -> &'static str {
    let mut rest = template;
    // Values are never scanned again, because they may look like slots.
    while let Some((before, gap)) = rest.split_once('{') {
        if is_shown {
            push_translated(page, before, locale);
        }
        let (name, after) = gap.split_once('}').unwrap_or((gap, ""));
        let mut all = fillings.iter().flat_map(|list| list.iter());
        let mut filled = |name: &str| all.find(|(other, _)| *other == name);
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
    push_translated(page, rest, locale);
    ""
}

fn push_translated(page: &mut String, mut template: &'static str, locale: Locale) {
    while let Some((before, words)) = template.split_once('[') {
        let (key, after) = words.split_once(']').unwrap_or((words, ""));
        page.push_str(before);
        page.push_str(texts::page(locale, key));
        template = after;
    }
    page.push_str(template);
}

/// Escapes for text and for quoted attributes.
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
            let template = "<p>{a}{b}{c}{#d} [sign_in] {#a}!{/a}{/d}</p>";
            let fillings = [
                ("a", Text("<'\"&>")),
                ("b", Markup("<b>")),
                ("d", If(there)),
            ];
            fill(template, locale, &[&fillings])
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
        let fillings = [("a", Text("{b}[sign_in]{#b}")), ("b", Markup("b"))];
        assert_eq!(
            fill("{a}{b}", Locale::Chinese, &[&fillings]),
            "{b}[sign_in]{#b}b"
        );
    }
}
