//! The requests that a worker is at: a table with an entry each.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::text::Text;

/// Longest request target that an entry keeps; longer ones are cut.
pub const TARGET_LIMIT: usize = 256;

/// Requests of one worker that the table holds. More may be in flight, which are only counted.
pub const LISTED: usize = u64::BITS as usize;

/// The entry of a request in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u32);

impl Ticket {
    /// There was no free entry.
    const UNLISTED: Ticket = Ticket(u64::BITS);
}

/// A request between `begin_request` and `end_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// Request method.
    pub method: Vec<u8>,
    /// Request target, cut at [`TARGET_LIMIT`] bytes.
    pub target: Vec<u8>,
    /// Who sent it, as text.
    pub peer: Vec<u8>,
    /// When the application got it.
    pub started_ms: u64,
}

/// The table. An entry counts when its bit is set.
#[repr(C)]
pub(super) struct Requests {
    taken: AtomicU64,
    unlisted: AtomicU64,
    entries: [Entry; LISTED],
}

#[repr(C)]
struct Entry {
    started: AtomicU64,
    method: Text<3>,
    target: Text<{ TARGET_LIMIT / 8 }>,
    peer: Text<8>,
}

impl Requests {
    #[inline]
    pub fn begin(&self, method: &[u8], target: &[u8], peer: &[u8], now_ms: u64) -> Ticket {
        let taken = self.taken.load(Relaxed);
        // A worker that does one after the other always gets the first entry.
        let index = taken.trailing_ones();
        let Some(entry) = self.entries.get(index as usize) else {
            self.unlisted
                .store(self.unlisted.load(Relaxed).wrapping_add(1), Relaxed);
            return Ticket::UNLISTED;
        };
        entry.method.store(method);
        entry.target.store(target);
        entry.peer.store(peer);
        entry.started.store(now_ms, Relaxed);
        self.taken.store(taken | bit(index), Relaxed);
        Ticket(index)
    }

    #[inline]
    pub fn end(&self, ticket: Ticket) {
        if ticket == Ticket::UNLISTED {
            let unlisted = self.unlisted.load(Relaxed);
            self.unlisted.store(unlisted.saturating_sub(1), Relaxed);
        } else {
            let taken = self.taken.load(Relaxed);
            self.taken.store(taken & !bit(ticket.0), Relaxed);
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.taken.load(Relaxed) == 0
    }

    /// How many there are.
    #[inline]
    pub fn count(&self) -> u64 {
        u64::from(self.taken.load(Relaxed).count_ones()).saturating_add(self.unlisted())
    }

    pub fn unlisted(&self) -> u64 {
        self.unlisted.load(Relaxed)
    }

    pub fn all(&self) -> Vec<InFlight> {
        let taken = self.taken.load(Relaxed);
        let mut all: Vec<InFlight> = (0..)
            .zip(&self.entries)
            .filter(|(index, _)| taken & bit(*index) != 0)
            .map(|(_, entry)| InFlight {
                method: entry.method.load(),
                target: entry.target.load(),
                peer: entry.peer.load(),
                started_ms: entry.started.load(Relaxed),
            })
            .collect();
        all.sort_by_key(|request| request.started_ms);
        all
    }

    pub fn clear(&self) {
        self.taken.store(0, Relaxed);
        self.unlisted.store(0, Relaxed);
    }
}

#[inline]
fn bit(index: u32) -> u64 {
    1_u64.checked_shl(index).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use crate::scoreboard::{LISTED, Scoreboard, Slot, TARGET_LIMIT};

    fn slot() -> Slot {
        Scoreboard::new(1).unwrap().claim().unwrap()
    }

    #[test]
    fn texts_of_every_length_come_back_cut_at_the_limit() {
        let slot = slot();
        let long: Vec<u8> = (0..=255).chain(0..=255).collect();
        for length in 0..long.len() {
            let ticket = slot.begin_request(b"", &long[..length], b"", 1);
            let kept = length.min(TARGET_LIMIT);
            assert_eq!(slot.in_flight()[0].target, &long[..kept]);
            slot.drop_request(ticket);
        }
    }

    #[test]
    fn several_requests_are_listed_oldest_first_and_end_in_any_order() {
        let slot = slot();
        let first = slot.begin_request(b"GET", b"/1", b"", 10);
        let second = slot.begin_request(b"GET", b"/2", b"", 11);
        slot.end_request(first, 200, 5, 0, 0);
        let third = slot.begin_request(b"GET", b"/3", b"", 12);
        let targets: Vec<_> = slot.in_flight().into_iter().map(|one| one.target).collect();
        assert_eq!(targets, [b"/2", b"/3"]);
        slot.end_request(third, 200, 5, 0, 0);
        slot.end_request(second, 200, 5, 0, 0);
        assert_eq!((slot.in_flight().len(), slot.requests()), (0, 3));
    }

    #[test]
    fn more_than_the_table_holds_are_counted() {
        let slot = slot();
        let tickets: Vec<_> = (0..LISTED + 3)
            .map(|_| slot.begin_request(b"GET", b"/", b"", 1))
            .collect();
        assert_eq!((slot.in_flight().len(), slot.unlisted()), (LISTED, 3));
        for ticket in tickets {
            slot.drop_request(ticket);
        }
        assert_eq!((slot.in_flight().len(), slot.unlisted()), (0, 0));
    }
}
