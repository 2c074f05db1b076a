//! Defines the look of a tenant's pages: name, logo, colours, links, language.

pub(crate) mod color;
pub(crate) mod locale;
pub(crate) mod palette;

use locale::Locale;
use palette::Colors;

/// A tenant's branding, ready to be shown. Texts are as the tenant wrote them: whoever shows them
/// escapes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Brand {
    /// What the site is called; empty if it has no name.
    pub title: String,
    /// Where its logo is: an https URL, or a path on the tenant's own host.
    pub logo: Option<String>,
    /// Its colours as custom properties, in CSS.
    pub colors: String,
    /// What is laid over the page's own style. Contains no `<`.
    pub css: String,
    /// Shown below every page: text and URL.
    pub links: Vec<(String, String)>,
    /// The language its pages are in; none: the visitor's.
    pub locale: Option<Locale>,
}

impl Default for Brand {
    /// Nobody's: what is shown as long as no tenant is known.
    fn default() -> Self {
        Self {
            title: String::new(),
            logo: None,
            colors: Colors::default().to_css(),
            css: String::new(),
            links: Vec::new(),
            locale: None,
        }
    }
}

impl Brand {
    /// Where the logo comes from, if that is another site: `https://host[:port]`.
    #[must_use]
    pub(crate) fn logo_origin(&self) -> Option<&str> {
        let logo = self.logo.as_deref()?;
        let host = logo.strip_prefix("https://")?;
        let end = host.find('/').unwrap_or(host.len());
        logo.get(.."https://".len() + end)
    }
}
