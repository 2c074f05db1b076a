//! Defines the benchmark cases. Each has a function that prepares it and returns another, which is measured
//! repeatedly.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be measured must not pass for measured"
)]

mod cookie;
mod headers;
mod record;
mod request;
mod strangers;
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
    once("stranger: path, nested escapes", || strangers::path("25")),
    once("stranger: path, escaped percents", || {
        strangers::path("%25")
    }),
    once("stranger: path, escaped slashes", || {
        strangers::path("a%2f")
    }),
    once("stranger: path, shortest segments", || {
        strangers::path("a/")
    }),
    once("stranger: path, dot segments", || strangers::path("a/../")),
    once("stranger: path, the prefix over and over", || {
        strangers::path("_sessio")
    }),
    once("stranger: query, empty parameters", || {
        strangers::query("&")
    }),
    once("stranger: query, sids", || strangers::query("sid=~&")),
    once("stranger: query, escapes", || {
        strangers::query("return_to=%41%2f")
    }),
    once("stranger: return address", || strangers::return_to("%25")),
    once("stranger: languages", || strangers::language("zh,")),
    once("stranger: weights of languages", || {
        strangers::language("en;q=0.0000001,")
    }),
    once("stranger: trace", || strangers::trace("0-")),
    once("stranger: JSON, empty arrays", || {
        strangers::json_body("[],", "0")
    }),
    once("stranger: JSON, nested", || strangers::json_body("[", "0")),
    once("stranger: JSON, one text of escapes", || {
        strangers::json_text(0)
    }),
    once("stranger: JSON, numbers", strangers::json_numbers),
    once("stranger: JSON, members", strangers::json_members),
    once("stranger: form, empty fields", || strangers::form_body("&")),
    once("stranger: form, short fields", || {
        strangers::form_body("b=&")
    }),
    once("stranger: form, escapes", || {
        strangers::form_body("a=%41%2f+")
    }),
    once("stranger: token, dots", || strangers::token(".")),
    once("stranger: token, numbers", || strangers::token("1,")),
    once("stranger: token, a text of escapes", || {
        strangers::token("\"\\u0041\\u0041\\u0041\\u0041\\u0041\\u0041\",")
    }),
    once("stranger: request, nested escapes", || {
        strangers::request_for("25")
    }),
    once("stranger: request, shortest segments", || {
        strangers::request_for("a/")
    }),
    once("stranger: request, a long Connection", || {
        strangers::request("connection", "a,")
    }),
    once("stranger: request, 230 headers in Connection", || {
        strangers::connection()
    }),
    once("stranger: request, commas in Cookie", || {
        strangers::request("cookie", ",")
    }),
    once("stranger: request, empty cookies", || {
        strangers::request("cookie", "=;")
    }),
    once("stranger: request, a long Authorization", || {
        strangers::request("authorization", "Bearer ")
    }),
    once("stranger: request, a long If-None-Match", || {
        strangers::request("if-none-match", "W/,")
    }),
    once("stranger: request, a long baggage", || {
        strangers::request("baggage", "a=b,")
    }),
    once("stranger: request, a long Forwarded", || {
        strangers::request("forwarded", "for=a;")
    }),
    once("stranger: request, a long Origin", || {
        strangers::request("origin", "://")
    }),
    once("stranger: request, a long Host", || {
        strangers::request("x-forwarded-host", "a.")
    }),
];
