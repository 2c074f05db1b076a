//! Defines the requests of this test.

use serde_json::Value;

/// Request with its body.
#[derive(Clone, Default)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Call {
    pub(super) fn to(method: &'static str, url: String) -> Self {
        Self {
            method,
            url,
            ..Self::default()
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        if !value.is_empty() {
            self.headers.push((name, value.to_owned()));
        }
        self
    }

    pub(super) fn by_person(self) -> Self {
        self.with("sec-fetch-mode", "navigate")
            .with("accept", "text/html")
    }

    pub(super) fn json(self, body: &Value) -> Self {
        Self {
            body: body.to_string(),
            ..self.with("content-type", "application/json")
        }
    }

    pub(super) fn packed(&self) -> String {
        let mut packed = format!("{}\n{}", self.method, self.url);
        for (name, value) in &self.headers {
            packed.push_str(&format!("\n{name}\n{value}"));
        }
        packed
    }
}
