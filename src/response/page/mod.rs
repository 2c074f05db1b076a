//! Renders Vestibule's own pages: in the tenant's branding, in the visitor's language, and without scripts. Only the
//! pages of a sign-in in a pop-up window have one.

mod icon;
mod password;
mod policy;
mod popup;
mod problem;
mod sign_in;
mod sign_out;
mod template;
#[cfg(test)]
mod tests;

use crate::http::request::Request;
use crate::response::theme::Brand;
use crate::response::theme::locale::Locale;
use crate::response::{Answer, DATA_POLICY, texts};

pub(crate) use password::{PasswordState, change_password};
pub(crate) use policy::FRAMED_BY_SELF;
pub(crate) use popup::hand_over;
pub(super) use problem::{Remedy, Trouble, problem};
pub(crate) use sign_in::{LoginFault, LoginPage, Popup, login};
pub(crate) use sign_out::{confirm_sign_out, signed_out};

use template::Filling;
use template::Slot::{If, Markup, Text};

const FRAME: &str = include_str!("../../../www/pages/frame.html");
const STYLE: &str = include_str!("../../../www/pages/page.css");

/// Branding and language of a page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme<'a> {
    /// Branding of the tenant.
    pub brand: &'a Brand,
    /// Language of the page.
    pub locale: Locale,
    /// Host of the page, which names the site if the brand has no title.
    pub site: &'a str,
}

impl<'a> Theme<'a> {
    /// Returns the theme for a request: the brand's own language, else the one that the browser prefers.
    #[must_use]
    pub(crate) fn of(brand: &'a Brand, request: &Request<'a>) -> Self {
        let accepted = || Locale::accepted(request.header("accept-language").unwrap_or_default());
        let locale = brand.locale.unwrap_or_else(accepted);
        let authority = request.location.authority;
        let without_port = |(host, port): (&'a str, &str)| (!port.ends_with(']')).then_some(host);
        let host = authority.rsplit_once(':').and_then(without_port);
        let site = host.unwrap_or(authority);
        Self {
            brand,
            locale,
            site,
        }
    }

    /// Returns a text in the page's language.
    fn text(&self, key: &'static str) -> &'static str {
        texts::page(self.locale, key)
    }

    /// Returns a text with `what` in place of its `%`.
    fn text_with(&self, key: &'static str, what: &str) -> String {
        let (before, after) = self.text(key).split_once('%').unwrap_or_default();
        [before, what, after].concat()
    }

    fn fill(&self, template: &'static str, fillings: &[Filling<'_>]) -> String {
        let common = [("path", Text(&self.brand.path))];
        template::fill(template, self.locale, &[fillings, &common])
    }

    fn show(&self, status: u16, layout: &Layout<'_>) -> Answer {
        let Brand {
            title, logo, links, ..
        } = self.brand;
        let title = if title.is_empty() { self.site } else { title };
        let style = [&self.brand.colors, STYLE, &self.brand.css].concat();
        let links: String = links
            .iter()
            .map(|(text, url)| {
                let fillings = [("url", Text(url)), ("text", Text(text))];
                self.fill("<li><a href=\"{url}\">{text}</a></li>", &fillings)
            })
            .collect();
        let fillings = [
            ("lang", Text(self.locale.tag())),
            ("heading", Text(layout.heading)),
            ("title", Text(title)),
            ("name", If(logo.is_none() && !title.is_empty())),
            ("logo", Text(logo.as_deref().unwrap_or_default())),
            ("style", Markup(&style)),
            ("main", Markup(&layout.main)),
            ("links", Markup(&links)),
            ("script", Markup(layout.script)),
        ];
        // With `no-referrer` a form would send `Origin: null`, which looks like a foreign page's (Fetch, "append a
        // request `Origin` header").
        let referrer = match layout.form {
            Form::None => "no-referrer",
            Form::ToUs(_) => "same-origin",
        };
        let mut answer = Answer::empty(status).with(
            "content-security-policy",
            policy::of_page(&style, layout.script, self.brand.logo_origin(), layout.form),
        );
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("content-language", self.locale.tag()),
            ("cross-origin-opener-policy", "same-origin"),
            ("referrer-policy", referrer),
            ("x-content-type-options", "nosniff"),
        ] {
            answer = answer.with(name, value);
        }
        answer.body = self.fill(FRAME, &fillings);
        answer
    }
}

/// Allows the frames of `directive` to show a page; those of all other sites stay forbidden, and so do frames with data.
#[must_use]
pub(crate) fn framed(mut answer: Answer, directive: &str) -> Answer {
    for (name, value) in &mut answer.headers {
        if *name == "content-security-policy" && *value != DATA_POLICY {
            *value = policy::of_framed(value, directive);
        }
    }
    answer
}

/// Content of one page.
struct Layout<'a> {
    heading: &'a str,
    main: String,
    form: Form<'a>,
    /// Script of the page; empty for none.
    script: &'static str,
}

/// Form of a page.
#[derive(Clone, Copy)]
enum Form<'a> {
    None,
    /// Sends to this site, which may redirect to these origins.
    ToUs(&'a [String]),
}
