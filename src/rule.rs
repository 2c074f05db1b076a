//! The rules of storage and of the objects that the simulation deletes one at a time, to show that a seed fails without
//! each (`src/simulation/rules.rs`). The Worker has no switch: there [`holds`] is a constant.

/// A rule that a test can delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A revocation gets a later point in history than any before, whatever the clock says.
    UniqueEpoch,
    /// The last point in history is stored.
    StoredLastEpoch,
    /// A revocation is kept until the latest of the times that were asked for.
    LongestUntil,
    /// The tenant's object forgets revocations and listings that have run out.
    PurgeExpired,
    /// A user's sessions beyond the limit are ended.
    SurplusEnds,
    /// The oldest sessions go first.
    SurplusOldestFirst,
    /// Sessions that have run out do not count.
    SurplusCountsLive,
    /// An ended session leaves its user's list with the announcement of its end.
    EndedUnlisted,
    /// A session that begins is not subject to earlier revocations of its tenant.
    TenantEpoch,
    /// A session that becomes a user's is not subject to earlier revocations of that user.
    UserEpoch,
    /// A change that comes with an id that was replaced is refused.
    OutdatedId,
    /// A change that is delivered twice is applied once.
    Idempotency,
    /// A change that is meant for another version is refused.
    IfVersion,
    /// A change under a lease that holds no more is refused.
    LeaseToken,
    /// Nobody gets a lease while another holds it.
    LeaseHeld,
    /// The answer to an end waits until that is announced.
    WaitForAnnouncement,
    /// So does the answer to whoever ends a session once more.
    RepeatedEndWaits,
    /// An announcement comes before everything else in the outbox.
    AnnounceFirst,
    /// An end is announced again while the namespace does not show it.
    AnnounceAgain,
    /// A change that comes while an outbox item is under way is not taken for done with it.
    OutboxSerial,
    /// A failed outbox item is tried again.
    OutboxRetry,
    /// After a pause.
    OutboxPause,
    /// An alarm looks at the outbox, should the object die.
    OutboxAlarm,
    /// Outbox items run one at a time.
    OneItemAtATime,
    /// An object asks its identity provider one question at a time.
    OneProviderCall,
    /// A row is deleted once it serves nobody.
    RowForgotten,
    /// And not before that.
    RowKept,
    /// A key is put once a second at most.
    WriteSpacing,
    /// One put of a value is under way at a time.
    OnePut,
    /// A put without an outcome counts as failed after a while.
    PutDeadline,
    /// A caller waits for three failed attempts at most.
    QueuePatience,
    /// A value that replaced another is not taken for stored with it.
    QueueSerial,
    /// The same question is asked once at a time.
    SingleFlight,
    /// Whoever has waited in vain for another's answer asks itself.
    FlightPatience,
    /// Nobody follows a question that is answered.
    FlightFinish,
    /// A late answer does not end the flight after it.
    FlightFinishOwn,
    /// Nobody reads for a while after failed reads.
    Breaker,
    /// Then one does.
    SingleProbe,
    /// The failure of a probe that was replaced does not count.
    StaleProbe,
    /// A call is tried three times at most.
    RetryLimit,
    /// Not at once.
    RetryDelay,
    /// Not if the object has too much to do.
    RetryOverload,
}

/// Returns whether a rule is in force.
#[cfg(not(test))]
#[must_use]
pub(crate) const fn holds(_: Rule) -> bool {
    true
}

#[cfg(test)]
thread_local! {
    static DELETED: core::cell::Cell<Option<Rule>> = const { core::cell::Cell::new(None) };
}

/// Returns whether a rule is in force.
#[cfg(test)]
pub(crate) fn holds(rule: Rule) -> bool {
    DELETED.get() != Some(rule)
}

/// Deletes a rule while `act` runs.
#[cfg(test)]
pub(crate) fn without<T>(rule: Rule, act: impl FnOnce() -> T) -> T {
    DELETED.set(Some(rule));
    let result = act();
    DELETED.set(None);
    result
}
