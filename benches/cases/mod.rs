//! What is measured: each case is made ready by one function, and done again and again by what that
//! function returns.

mod cookie;
mod headers;
mod record;
mod request;
mod world;

use core::fmt;

/// Something that can be done any number of times, at the same cost each time.
pub(crate) type Act = Box<dyn FnMut()>;

/// One thing that is measured.
pub(crate) struct Case {
    /// `room: what`. Bounds are found by it.
    pub(crate) name: &'static str,
    /// How often it is done under callgrind: more often where costs differ from time to time.
    pub(crate) times: u32,
    /// Makes it ready.
    pub(crate) make: fn() -> Act,
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

/// Every case.
pub(crate) const CASES: &[Case] = &[
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
];
