//! Defines the benchmark cases. Each has a function that prepares it and returns another, which is measured
//! repeatedly.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be measured must not pass for measured"
)]

mod anonymous;
mod cookie;
mod headers;
mod record;
mod request;
mod world;

use core::fmt;

/// Operation that can be repeated at constant cost.
pub type Act = Box<dyn FnMut()>;

/// Benchmark case.
pub struct Case {
    /// Name, `room: what`; the key of its bounds.
    pub name: &'static str,
    /// Number of repetitions under callgrind: more where costs vary.
    pub times: u32,
    /// Prepares the case.
    pub make: fn() -> Act,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const fn often(name: &'static str, make: fn() -> Act) -> Case {
    let times = 500;
    Case { name, times, make }
}

const fn seldom(name: &'static str, make: fn() -> Act) -> Case {
    let times = 20;
    Case { name, times, make }
}

/// Defines an expensive case with constant cost.
const fn once(name: &'static str, make: fn() -> Act) -> Case {
    let times = 1;
    Case { name, times, make }
}

/// All cases.
pub const CASES: &[Case] = &[
    often("cookie: verified", cookie::genuine),
    often("cookie: wrong MAC", cookie::wrong_mac),
    often("cookie: garbage", cookie::garbage),
    often("cookie: found among 3", cookie::among_three),
    often("cookie: found among 180 in 16 kB", cookie::among_many),
    often("record: empty, sealed", || record::sealed(record::empty())),
    often("record: empty, opened", || record::opened(record::empty())),
    often("record: reference, sealed", || {
        record::sealed(record::reference())
    }),
    often("record: reference, opened", || {
        record::opened(record::reference())
    }),
    seldom("record: largest, sealed", || {
        record::sealed(record::largest())
    }),
    seldom("record: largest, opened", || {
        record::opened(record::largest())
    }),
    often("headers: a browser's 15, read and sorted", || {
        headers::sorted(15)
    }),
    often("headers: 100, read and sorted", || headers::sorted(100)),
    often("request: warm", || request::known(2, 15)),
    often("request: warm, 100 headers", || request::known(2, 100)),
    often("request: warm, 10 servers", || request::known(10, 15)),
    often("request: warm, 100 servers", || request::known(100, 15)),
    often("request: warm, 500 servers", || request::known(500, 15)),
    often("request: guest", request::guest),
    often("request: newcomer, 2 servers", || request::newcomer(2)),
    often("request: newcomer, 10 servers", || request::newcomer(10)),
    often("request: newcomer, 100 servers", || request::newcomer(100)),
    often("request: newcomer, 500 servers", || request::newcomer(500)),
    often("request: one of a flood, a program's", || {
        request::forged(1)
    }),
    often("request: one of a flood, a browser's", || {
        request::forged(15)
    }),
    often("answer: nothing to change", request::answer_as_it_is),
    often("answer: cookie, redirect, load", request::answer_edited),
    often("answer: data changed, KV alone", request::answer_with_patch),
    once("anonymous: path, nested escapes", || anonymous::path("25")),
    once("anonymous: path, escaped percents", || {
        anonymous::path("%25")
    }),
    once("anonymous: path, escaped slashes", || {
        anonymous::path("a%2f")
    }),
    once("anonymous: path, shortest segments", || {
        anonymous::path("a/")
    }),
    once("anonymous: path, dot segments", || anonymous::path("a/../")),
    once("anonymous: path, the prefix over and over", || {
        anonymous::path("_sessio")
    }),
    once("anonymous: query, empty parameters", || {
        anonymous::query("&")
    }),
    once("anonymous: query, sids", || anonymous::query("sid=~&")),
    once("anonymous: query, escapes", || {
        anonymous::query("return_to=%41%2f")
    }),
    once("anonymous: return address", || anonymous::return_to("%25")),
    once("anonymous: languages", || anonymous::language("zh,")),
    once("anonymous: weights of languages", || {
        anonymous::language("en;q=0.0000001,")
    }),
    once("anonymous: trace", || anonymous::trace("0-")),
    once("anonymous: JSON, empty arrays", || {
        anonymous::json_body("[],", "0")
    }),
    once("anonymous: JSON, nested", || anonymous::json_body("[", "0")),
    once("anonymous: JSON, one text of escapes", || {
        anonymous::json_text(0)
    }),
    once("anonymous: JSON, numbers", anonymous::json_numbers),
    once("anonymous: JSON, members", anonymous::json_members),
    once("anonymous: form, empty fields", || {
        anonymous::form_body("&")
    }),
    once("anonymous: form, short fields", || {
        anonymous::form_body("b=&")
    }),
    once("anonymous: form, escapes", || {
        anonymous::form_body("a=%41%2f+")
    }),
    once("anonymous: token, dots", || anonymous::token(".")),
    once("anonymous: token, numbers", || anonymous::token("1,")),
    once("anonymous: token, a text of escapes", || {
        anonymous::token("\"\\u0041\\u0041\\u0041\\u0041\\u0041\\u0041\",")
    }),
    once("anonymous: request, nested escapes", || {
        anonymous::request_for("25")
    }),
    once("anonymous: request, shortest segments", || {
        anonymous::request_for("a/")
    }),
    once("anonymous: request, a long Connection", || {
        anonymous::request("connection", "a,")
    }),
    once("anonymous: request, 230 headers in Connection", || {
        anonymous::connection()
    }),
    once("anonymous: request, commas in Cookie", || {
        anonymous::request("cookie", ",")
    }),
    once("anonymous: request, empty cookies", || {
        anonymous::request("cookie", "=;")
    }),
    once("anonymous: request, a long Authorization", || {
        anonymous::request("authorization", "Bearer ")
    }),
    once("anonymous: request, a long If-None-Match", || {
        anonymous::request("if-none-match", "W/,")
    }),
    once("anonymous: request, a long baggage", || {
        anonymous::request("baggage", "a=b,")
    }),
    once("anonymous: request, a long Forwarded", || {
        anonymous::request("forwarded", "for=a;")
    }),
    once("anonymous: request, a long Origin", || {
        anonymous::request("origin", "://")
    }),
    once("anonymous: request, a long Host", || {
        anonymous::request("x-forwarded-host", "a.")
    }),
];
