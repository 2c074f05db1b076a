//! Defines the look of a tenant's pages: name, logo, colours, links, language.

pub(crate) mod color;
pub(crate) mod locale;
pub(crate) mod palette;

use locale::Locale;
use palette::Colors;

/// Branding of a tenant, ready to render. Texts are not escaped yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Brand {
    /// Name of the site; empty if it has none.
    pub title: String,
    /// Logo: an https URL, or a path on the tenant's own host.
    pub logo: Option<String>,
    /// Colours as CSS custom properties.
    pub colors: String,
    /// CSS applied after the page's own style. Contains no `<`.
    pub css: String,
    /// Links below every page: text and URL.
    pub links: Vec<(String, String)>,
    /// Language of the pages; `None` for the visitor's.
    pub locale: Option<Locale>,
    /// Path below which the tenant is, such as `/acme`; empty if it has the whole host.
    pub path: String,
}

impl Default for Brand {
    /// Returns the brand for pages without a known tenant.
    fn default() -> Self {
        Self {
            title: String::new(),
            logo: None,
            colors: Colors::default().to_css(),
            css: String::new(),
            links: Vec::new(),
            locale: None,
            path: String::new(),
        }
    }
}

impl Brand {
    /// Returns the logo's origin, if that is another site: `https://host[:port]`.
    #[must_use]
    pub(crate) fn logo_origin(&self) -> Option<&str> {
        let logo = self.logo.as_deref()?;
        let host = logo.strip_prefix("https://")?;
        let end = host.find('/').unwrap_or(host.len());
        logo.get(.."https://".len() + end)
    }
}
