//! Serves a tenant's own logo, style and other files in place of the chat server's.
//!
//! They are public, because a login page needs them: the gateway neither looks up nor creates a session. If a file is
//! unavailable, the server's own file is used, which is better than a broken picture.

use super::parts::{Limits, Recorder};
use super::{Gateway, Interrupt, RequestContext};
use crate::effect::Need;
use crate::effect::asset::{Asset, FileMetadata, Trouble};
use crate::http::conditional::names_etag;
use crate::http::path;
use crate::http::request::Request;
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::telemetry::log::{ConfigName, Event, Level};

/// Media types by file extension, for sources that name none.
const MEDIA_TYPES: [(&str, &str); 14] = [
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("avif", "image/avif"),
    ("ico", "image/x-icon"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("woff2", "font/woff2"),
    ("woff", "font/woff"),
    ("ttf", "font/ttf"),
];

const UNKNOWN: &str = "application/octet-stream";

impl Gateway {
    /// Answers a request for a file of the tenant's own.
    pub(crate) fn serve_asset(&mut self, context: &RequestContext<'_>) -> Result<(), Interrupt> {
        let request = context.request;
        if !matches!(request.method, "GET" | "HEAD") || request.is_websocket() {
            return Ok(());
        }
        let Some(source) = self.tenant.assets.at(&request.location) else {
            return Ok(());
        };
        match context.answers.asset(source) {
            None => Err(Interrupt::Pending(vec![Need::Asset {
                tenant: self.tenant.id.clone(),
                source: source.to_owned(),
            }])),
            Some(Asset::Available(metadata)) => {
                let interrupt = file_response(request, source, metadata);
                if let Some(trouble) = metadata.trouble {
                    self.limits
                        .note_missing_file(&mut self.recorder, trouble, context);
                }
                Err(interrupt)
            }
            Some(Asset::Missing(trouble)) => {
                self.limits
                    .note_missing_file(&mut self.recorder, *trouble, context);
                if trouble.is_page() {
                    return Err(Problem::AssetIsPage.into());
                }
                Ok(())
            }
        }
    }
}

impl Limits {
    fn note_missing_file(
        &mut self,
        recorder: &mut Recorder,
        trouble: Trouble,
        context: &RequestContext<'_>,
    ) {
        // Visitors may write one path in many spellings.
        let path = path::reading(context.request.location.path).unwrap_or_default();
        if self.missing_files.count(&*path, context.now).is_first() {
            let event = Event::new(Level::Warn, "asset_unavailable");
            let reason = trouble.to_string();
            recorder.emit(
                event
                    .with("path", ConfigName(&path))
                    .with("reason", ConfigName(&reason)),
            );
        }
    }
}

fn file_response(request: &Request<'_>, source: &str, metadata: &FileMetadata) -> Interrupt {
    let etag = format!("\"{}\"", metadata.hash);
    let is_known = request
        .header("if-none-match")
        .is_some_and(|known| names_etag(known, &etag));
    let answer = Answer {
        status: if is_known { 304 } else { 200 },
        headers: vec![
            ("cache-control", "public, max-age=300".to_owned()),
            ("etag", etag),
        ],
        ..Answer::empty(200)
    };
    if is_known {
        return Interrupt::Respond(answer.into());
    }
    let answer = answer
        .with("content-type", media_type(request, source, metadata))
        .with("content-length", metadata.length.to_string())
        .with("x-content-type-options", "nosniff")
        // A picture may be a document: an SVG opened by itself would be a page of this site.
        .with(
            "content-security-policy",
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox",
        );
    if request.method == "HEAD" {
        Interrupt::Respond(answer.into())
    } else {
        Interrupt::RespondFile(answer.into())
    }
}

fn media_type<'f>(request: &Request<'_>, source: &str, metadata: &'f FileMetadata) -> &'f str {
    let declared = metadata.media_type.trim();
    let is_specific = !declared.is_empty() && declared != UNKNOWN;
    if is_specific && declared.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return declared;
    }
    by_extension(request.location.path)
        .or_else(|| by_extension(source.split('?').next()?))
        .unwrap_or(UNKNOWN)
}

fn by_extension(path: &str) -> Option<&'static str> {
    let (_, extension) = path.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    let known = MEDIA_TYPES.iter().find(|(other, _)| *other == extension)?;
    Some(known.1)
}
