//! Keeps the traces of answered requests until they are exported.

use super::otlp::Request;

/// Maximum number of traces that are exported at once, and as many of requests that failed: sampled ones crowd none
/// out.
const MAX_KEPT: usize = 200;

/// The traces that the next export has.
#[derive(Debug, Default)]
pub struct TraceBuffer {
    failed: Vec<Request>,
    good: Vec<Request>,
}

impl TraceBuffer {
    /// Returns whether there is room for the trace of a request that was answered with this status.
    #[must_use]
    pub fn has_room(&self, status: u16) -> bool {
        let kept = if has_failed(status) {
            &self.failed
        } else {
            &self.good
        };
        kept.len() < MAX_KEPT
    }

    /// Keeps a trace, if there is room for it.
    pub fn keep(&mut self, request: Request) {
        if !self.has_room(request.status) {
            return;
        }
        if has_failed(request.status) {
            self.failed.push(request);
        } else {
            self.good.push(request);
        }
    }

    /// Takes the traces, those of requests that failed first.
    pub fn take(&mut self) -> Vec<Request> {
        let mut taken = core::mem::take(&mut self.failed);
        taken.append(&mut self.good);
        taken
    }
}

fn has_failed(status: u16) -> bool {
    status >= 500
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(status: u16) -> Request {
        Request {
            status,
            begun: 1_000,
            ended: 1_100,
            origin: None,
            scheme: "https".to_owned(),
            members: String::new(),
            stages: Vec::new(),
        }
    }

    #[test]
    fn two_hundred_traces_are_kept_and_as_many_of_requests_that_failed() {
        let mut traces = TraceBuffer::default();
        for _ in 0..=MAX_KEPT {
            traces.keep(trace(200));
        }
        assert!(!traces.has_room(404));
        assert!(traces.has_room(500));
        for _ in 0..=MAX_KEPT {
            traces.keep(trace(502));
        }
        assert!(!traces.has_room(503));
        let taken: Vec<u16> = traces.take().iter().map(|trace| trace.status).collect();
        assert_eq!(taken, [[502; MAX_KEPT], [200; MAX_KEPT]].concat());
        assert!(traces.take().is_empty());
        assert!(traces.has_room(200));
    }
}
