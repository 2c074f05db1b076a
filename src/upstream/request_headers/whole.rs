//! Asks an origin for a response that the gateway can read and change.

use super::Outgoing;
use crate::http::request::Request;

impl Outgoing {
    /// Asks the origin for the whole response without a content coding, whatever the client asks for.
    pub(crate) fn ask_for_whole(&mut self, request: &Request<'_>) {
        let asks_for_less =
            |name: &str| matches!(name, "accept-encoding" | "range") || name.starts_with("if-");
        let kept = request.headers.iter().zip(self.kept.chars());
        self.kept = kept
            .map(|((name, _), kept)| if asks_for_less(name) { '-' } else { kept })
            .collect();
        self.set_two("accept-encoding", "identity");
    }
}
