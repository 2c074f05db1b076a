//! What the outside says of a tenant's file. Its bytes stay outside: the core decides by these facts
//! alone.

/// What came of asking for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asset {
    /// It is at hand.
    AtHand(Facts),
    /// It is not to be had, and why.
    Missing(Trouble),
}

/// What is known of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The media type its source gives; empty for none.
    pub media_type: String,
    /// Stands for its bytes: letters and digits.
    pub hash: String,
    /// How many bytes it has.
    pub length: u32,
    /// It is old, because its source is in trouble.
    pub trouble: Option<Trouble>,
}

/// Why a source gives no file, in words that name no URL and hold no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble(String);

impl Trouble {
    /// In the edge's words.
    #[must_use]
    pub fn new(words: &str) -> Self {
        Self(words.to_owned())
    }

    /// Whether the source gave a web page, which is never shown in a file's place.
    #[must_use]
    pub fn is_page(&self) -> bool {
        self.0 == "html"
    }

    /// For the log.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
