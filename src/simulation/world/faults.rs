//! What can go wrong in a world, and what may be planted in it.

/// How often things go wrong, in parts of a thousand, and how bad it gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultRates {
    /// A read of the namespace fails.
    pub(crate) reads: u32,
    /// A write of the namespace fails; half of those were applied.
    pub(crate) writes: u32,
    /// A call of an object fails; half of those were applied.
    pub(crate) calls: u32,
    /// An isolate dies, at any step.
    pub(crate) deaths: u32,
    /// A request is cut off, at any step.
    pub(crate) cancels: u32,
    /// Storage takes no writes for half to all of this, from a moment within the first minute on, in milliseconds.
    pub(crate) outage_ms: u64,
    /// How far the tenant's object's clock may be wrong, in milliseconds. It has another one with each life.
    pub(crate) skew_ms: u64,
    /// A browser sends some requests at once.
    pub(crate) bursts: u32,
    /// An operator ends all sessions, in parts of a thousand of what browsers do.
    pub(crate) endings: u32,
    /// How long a browser may rest, in milliseconds.
    pub(crate) rest_ms: u64,
    /// The idle limit, in seconds.
    pub(crate) idle_s: u64,
    /// How long a write may be on its way to another location.
    pub(crate) slowest_ms: u64,
    /// Writes overtake each other.
    pub(crate) reorders: bool,
}

/// A fault planted on purpose, that the checker has to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InjectedBug {
    /// An object now and then forgets what it has acknowledged.
    Forgets,
    /// The directory tells nobody of revocations.
    Deaf,
    /// The directory forgets sessions while they last.
    Tidy,
    /// An object whose first change is delivered twice begins again.
    Amnesia,
    /// Whoever reads from the namespace believes it, however old it is.
    Gullible,
}

/// The seed chooses the weather: calm, windy, and everything at once; and how browsers behave in it.
pub(crate) fn weather(seed: u64) -> FaultRates {
    let calm = FaultRates {
        reads: 0,
        writes: 0,
        calls: 0,
        deaths: 0,
        cancels: 0,
        outage_ms: 0,
        skew_ms: 0,
        bursts: 0,
        endings: 0,
        rest_ms: 400_000,
        idle_s: 600,
        slowest_ms: 60_000,
        reorders: false,
    };
    let wind = match seed % 5 {
        0 => calm,
        1 => FaultRates {
            slowest_ms: 180_000,
            reorders: true,
            skew_ms: 20_000,
            ..calm
        },
        2 => FaultRates {
            reads: 100,
            writes: 100,
            cancels: 20,
            outage_ms: 30_000,
            bursts: 100,
            ..calm
        },
        3 => FaultRates {
            calls: 100,
            deaths: 20,
            skew_ms: 20_000,
            ..calm
        },
        _ => FaultRates {
            reads: 50,
            writes: 200,
            calls: 50,
            deaths: 10,
            cancels: 10,
            outage_ms: 20_000,
            bursts: 100,
            skew_ms: 5_000,
            slowest_ms: 120_000,
            reorders: true,
            ..calm
        },
    };
    match seed / 5 % 4 {
        0 => wind,
        // Sessions run out while others of their user last.
        1 => FaultRates {
            idle_s: 240,
            rest_ms: 900_000,
            ..wind
        },
        // Many tabs, and an operator who throws all out.
        2 => FaultRates {
            bursts: 250,
            endings: 10,
            ..wind
        },
        // Storage takes no writes for longer than a revocation of one session is kept.
        _ => FaultRates {
            outage_ms: 1_600_000,
            idle_s: 1_800,
            bursts: 50,
            ..wind
        },
    }
}
