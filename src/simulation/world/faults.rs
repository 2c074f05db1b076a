//! Defines the faults of a world, and bugs to inject.

/// Rates of faults per thousand, and their sizes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultRates {
    /// Failed reads of the namespace.
    pub(crate) reads: u32,
    /// Failed writes of the namespace; half of them take effect.
    pub(crate) writes: u32,
    /// Failed calls of an object; half of them take effect.
    pub(crate) calls: u32,
    /// Deaths of an isolate, per step.
    pub(crate) deaths: u32,
    /// Requests cut off, per step.
    pub(crate) cancels: u32,
    /// Maximum time without writes, in milliseconds. The outage begins within the first minute and lasts half to all of
    /// this.
    pub(crate) outage_ms: u64,
    /// Maximum clock error of the tenant's object, in milliseconds; it differs after each restart.
    pub(crate) skew_ms: u64,
    /// Bursts of requests from one browser.
    pub(crate) bursts: u32,
    /// Ends of all sessions by an operator, per action of a browser.
    pub(crate) endings: u32,
    /// Maximum pause of a browser, in milliseconds.
    pub(crate) rest_ms: u64,
    /// Idle limit, in seconds.
    pub(crate) idle_s: u64,
    /// Maximum delay of a write to another location, in milliseconds.
    pub(crate) slowest_ms: u64,
    /// Whether writes arrive out of order.
    pub(crate) reorders: bool,
}

/// Bug injected on purpose, which the checker must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InjectedBug {
    /// An object sometimes forgets an acknowledged change.
    LosesChanges,
    /// The directory announces no revocations.
    NoAnnouncements,
    /// The directory drops live sessions.
    DropsListings,
    /// An object starts over when its first change is delivered twice.
    RestartsSession,
    /// Readers of the namespace accept any version, however old.
    IgnoresVersions,
}

/// Chooses fault rates and browser behaviour by seed: none, some, or all at once.
pub(crate) fn fault_rates(seed: u64) -> FaultRates {
    let none = FaultRates {
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
    let base = match seed % 5 {
        0 => none,
        1 => FaultRates {
            slowest_ms: 180_000,
            reorders: true,
            skew_ms: 20_000,
            ..none
        },
        2 => FaultRates {
            reads: 100,
            writes: 100,
            cancels: 20,
            outage_ms: 30_000,
            bursts: 100,
            ..none
        },
        3 => FaultRates {
            calls: 100,
            deaths: 20,
            skew_ms: 20_000,
            ..none
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
            ..none
        },
    };
    match seed / 5 % 4 {
        0 => base,
        // Sessions expire while others of their user last.
        1 => FaultRates {
            idle_s: 240,
            rest_ms: 900_000,
            ..base
        },
        // Bursts, and an operator who ends all sessions.
        2 => FaultRates {
            bursts: 250,
            endings: 10,
            ..base
        },
        // Storage takes no writes for longer than the revocation of one session is kept.
        _ => FaultRates {
            outage_ms: 1_600_000,
            idle_s: 1_800,
            bursts: 50,
            ..base
        },
    }
}
