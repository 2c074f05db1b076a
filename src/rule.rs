//! Names the rules of storage and objects that the simulation deletes one at a time, to show that a seed fails without
//! each (`src/simulation/rules.rs`). The Worker cannot delete a rule: there [`holds`] is a constant.

/// One rule that a test can delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Each revocation gets a later epoch than any before, whatever the clock shows.
    UniqueEpoch,
    /// The object stores the last epoch.
    StoredLastEpoch,
    /// A repeated revocation is kept until the latest of the requested times.
    LongestUntil,
    /// The tenant's object deletes expired revocations and listings.
    PurgeExpired,
    /// The sessions of a user beyond the limit are ended.
    SurplusEnds,
    /// The oldest surplus sessions are ended first.
    SurplusOldestFirst,
    /// Expired sessions do not count towards the limit.
    SurplusCountsLive,
    /// Announcing the end of a session also removes it from its user's list.
    EndedUnlisted,
    /// A new session is not subject to earlier revocations of its tenant.
    TenantEpoch,
    /// A session that gets a user is not subject to earlier revocations of that user.
    UserEpoch,
    /// A change that presents a replaced session id is refused.
    OutdatedId,
    /// A change that is delivered twice is applied once.
    Idempotency,
    /// A conditional change for another version is refused.
    IfVersion,
    /// A change under an expired or foreign lease is refused.
    LeaseToken,
    /// A change that names no lease is refused under an exclusive lease of another.
    LeaseGuards,
    /// A lease is refused while another caller holds it.
    LeaseHeld,
    /// The response to an end waits until the end is announced.
    WaitForAnnouncement,
    /// The response to a repeated end waits, too.
    RepeatedEndWaits,
    /// An announcement precedes all other items of the outbox.
    AnnounceFirst,
    /// An end is announced again while the namespace does not show it.
    AnnounceAgain,
    /// Finishing an outbox item does not finish a change that arrived while it ran.
    OutboxSerial,
    /// A failed outbox item is retried.
    OutboxRetry,
    /// A retry of an outbox item waits for a delay.
    OutboxPause,
    /// An alarm resumes the outbox after the object died.
    OutboxAlarm,
    /// Outbox items run one at a time.
    OneItemAtATime,
    /// An object sends its identity provider one request at a time.
    OneProviderCall,
    /// A row without a use is deleted.
    RowForgotten,
    /// A row in use is not deleted.
    RowKept,
    /// A key is put at most once a second.
    WriteSpacing,
    /// One put of a key is in flight at a time.
    OnePut,
    /// A put without an outcome fails after a deadline.
    PutDeadline,
    /// A caller waits for at most three failed attempts.
    QueuePatience,
    /// Storing a value does not finish a newer value for the same key.
    QueueSerial,
    /// A change that is confirmed and not stored is applied again to what another isolate stored.
    MergedWrite,
    /// A session that ended elsewhere is not written again by a change confirmed before.
    EndedNotRevived,
    /// Equal reads share one call in flight.
    SingleFlight,
    /// A caller that waited too long for a shared call makes its own.
    FlightPatience,
    /// No caller joins a call that is finished.
    FlightFinish,
    /// A late response does not finish a newer flight.
    FlightFinishOwn,
    /// Reads pause after failed reads.
    Breaker,
    /// After the pause one probe reads first.
    SingleProbe,
    /// The failure of a replaced probe does not count.
    StaleProbe,
    /// A call is tried at most three times.
    RetryLimit,
    /// A retry waits for a delay.
    RetryDelay,
    /// Overload of the object is not retried.
    RetryOverload,
    /// A newcomer is admitted only if there is room for all who wait before it.
    QueueOrder,
    /// A place that is not asked for in time delays no place behind it.
    QueueLateBlocksNone,
    /// A session that was admitted a moment ago counts as used room.
    QueueUnseen,
    /// A queue has no more places than the tenant allows.
    QueueBound,
    /// A ticket admits at most twice.
    QueueTicketSpent,
    /// A place that is not asked for again is given up.
    QueueGivenUp,
}

/// Returns whether a rule is in force: always, outside tests.
#[cfg(not(test))]
#[must_use]
pub(crate) const fn holds(_: Rule) -> bool {
    true
}

#[cfg(test)]
thread_local! {
    static DELETED: core::cell::Cell<Option<Rule>> = const { core::cell::Cell::new(None) };
}

/// Returns whether a rule is in force on this thread.
#[cfg(test)]
pub(crate) fn holds(rule: Rule) -> bool {
    DELETED.get() != Some(rule)
}

/// Deletes a rule on this thread while `act` runs.
#[cfg(test)]
pub(crate) fn without<T>(rule: Rule, act: impl FnOnce() -> T) -> T {
    DELETED.set(Some(rule));
    let result = act();
    DELETED.set(None);
    result
}
