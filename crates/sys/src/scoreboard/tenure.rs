//! Whose time is over: a record has many holders, one after the other, and what is said of one must not be taken for
//! another's.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Slot;
use super::counters::bump;

/// The holders of a record, by number; never cleared.
#[derive(Default)]
pub(super) struct Tenures {
    /// The last one; 0 before the first.
    current: AtomicU64,
    /// The last one whose time was over before it had ended.
    over: AtomicU64,
}

/// One holder's time in its record.
#[derive(Clone, Copy)]
pub struct Tenure {
    record: Slot,
    number: u64,
}

impl Tenures {
    /// The record is claimed.
    pub(super) fn begin(&self) {
        bump(&self.current, 1);
    }

    /// It was claimed before.
    pub(super) fn have_begun(&self) -> bool {
        self.current.load(Relaxed) != 0
    }
}

impl Slot {
    /// That of the worker that has the record now.
    pub fn tenure(&self) -> Tenure {
        Tenure {
            record: *self,
            number: self.record.tenures.current.load(Relaxed),
        }
    }

    /// The worker was told to leave and its time for that is over: what it has not answered it will not answer.
    /// Said by itself, or by the arbiter that is about to kill it.
    pub fn end_tenure(&self) {
        let tenures = &self.record.tenures;
        tenures.over.store(tenures.current.load(Relaxed), Relaxed);
    }
}

impl Tenure {
    /// It ended as the worker had been told, not by surprise. Can be asked after its death.
    pub fn is_over(&self) -> bool {
        self.record.record.tenures.over.load(Relaxed) == self.number
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scoreboard;

    #[test]
    fn the_end_of_one_is_not_that_of_the_next() {
        let board = Scoreboard::new(1).unwrap();
        let slot = board.claim().unwrap();
        let first = slot.tenure();
        assert!(!first.is_over());
        slot.end_tenure();
        assert!(first.is_over());
        slot.release();
        let second = board.claim().unwrap().tenure();
        assert!(first.is_over(), "also when it is asked late");
        assert!(!second.is_over());
    }
}
