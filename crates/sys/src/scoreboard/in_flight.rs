//! The requests that a worker is at: a table with an entry each.
//!
//! An entry also settles who answers. The one who handles the request and the watchdog, which answers in
//! its place when it takes too long, may both want to:
//!
//! ```text
//!           claim
//! Called ──────────▶ Begun
//!    │   answer
//!    └──────────▶ Answering ──────▶ Answered, or LastWords in a worker that crashes
//! ```

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicI32, AtomicU64};

use super::text::Text;
use crate::stream;

/// Longest request target that an entry keeps; longer ones are cut.
pub const TARGET_LIMIT: usize = 256;

/// Requests of one worker that the table holds. More may be in flight, which are only counted.
pub const LISTED: usize = u64::BITS as usize;

/// The entry of a request in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u32);

impl Ticket {
    /// Position in the table.
    pub fn number(self) -> u32 {
        self.0
    }

    /// There was no free entry.
    const UNLISTED: Ticket = Ticket(u64::BITS);
}

const PHASE_BITS: u32 = 3;

/// A request that takes too long: its entry, and its word so that no later one is taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue {
    ticket: Ticket,
    word: u64,
    is_head: bool,
}

impl Overdue {
    /// A HEAD request, whose answer has no body.
    pub fn is_head(&self) -> bool {
        self.is_head
    }
}

/// How far the answer to a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Phase {
    /// Nothing of an answer has been said.
    Called = 0,
    /// The response has begun.
    Begun = 1,
    /// The watchdog is about to answer in its place.
    Answering = 2,
    /// The watchdog has answered in its place.
    Answered = 3,
    /// The worker crashed, and has answered in its place as the last thing it did.
    LastWords = 4,
}

impl Phase {
    fn of(word: u64) -> Phase {
        match word & ((1 << PHASE_BITS) - 1) {
            0 => Phase::Called,
            2 => Phase::Answering,
            3 => Phase::Answered,
            4 => Phase::LastWords,
            _ => Phase::Begun,
        }
    }

    /// For people and programs that read the log.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Called => "called",
            Phase::Begun => "response begun",
            Phase::Answering | Phase::Answered => "timed out",
            Phase::LastWords => "answered with 502",
        }
    }
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
    /// How far its answer is.
    pub phase: Phase,
    /// The thread that runs it, as `pthread_self` names it; 0 if it is not known.
    pub thread: u64,
    /// Its entry.
    pub ticket: Ticket,
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
    thread: AtomicU64,
    /// The phase in the lowest three bits; the number above them grows with every request of this
    /// entry, so that the watchdog never answers a later one.
    word: AtomicU64,
    /// Of the worker's process.
    socket: AtomicI32,
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
        entry.thread.store(0, Relaxed);
        entry.socket.store(-1, Relaxed);
        let next = (entry.word.load(Relaxed) >> PHASE_BITS).wrapping_add(1) << PHASE_BITS;
        entry.word.store(next, Release);
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

    /// Where the answer goes, so that the watchdog can give it.
    #[inline]
    pub fn attach(&self, ticket: Ticket, socket: BorrowedFd<'_>) {
        if let Some(entry) = self.entries.get(ticket.0 as usize) {
            entry.socket.store(socket.as_raw_fd(), Release);
        }
    }

    #[inline]
    pub fn note_thread(&self, ticket: Ticket, thread: u64) {
        if let Some(entry) = self.entries.get(ticket.0 as usize) {
            entry.thread.store(thread, Relaxed);
        }
    }

    /// The response begins now; false if the watchdog has answered. From here on, as after every
    /// claim, the watchdog leaves the socket alone.
    #[inline]
    pub fn claim(&self, ticket: Ticket) -> bool {
        let Some(entry) = self.entries.get(ticket.0 as usize) else {
            return true;
        };
        let word = entry.word.load(Acquire);
        match Phase::of(word) {
            Phase::Called if entry.change(word, Phase::Begun) => true,
            Phase::Begun => true,
            _ => entry.wait_for_the_watchdog(),
        }
    }

    /// The watchdog answers with `page`, if the response has not begun; says whether it did. As much is sent as
    /// the socket takes at once, which of a page is all.
    pub fn answer(&self, overdue: Overdue, page: &[u8]) -> bool {
        self.answer_as(Phase::Answered, overdue, page)
    }

    fn answer_as(&self, phase: Phase, overdue: Overdue, page: &[u8]) -> bool {
        let Some(entry) = self.entries.get(overdue.ticket.0 as usize) else {
            return false;
        };
        let number = entry.socket.load(Acquire);
        if number < 0 || !entry.change(overdue.word, Phase::Answering) {
            return false;
        }
        // SAFETY: the socket is open. Whoever closes it claims the answer before (see `claim`), and
        // that waits for as long as the phase is Answering.
        let socket = unsafe { BorrowedFd::borrow_raw(number) };
        // A client that is gone needs no answer.
        let _ = stream::send(socket, page);
        stream::finish_sending(socket);
        let word = overdue.word | phase as u64;
        entry.word.store(word, Release);
        true
    }

    /// The last words of a worker that crashes: answers all whose response has not begun. For a signal handler:
    /// takes no memory and no lock.
    pub fn answer_all(&self, page: &[u8]) {
        let taken = self.taken.load(Acquire);
        for (index, entry) in (0..).zip(&self.entries) {
            let word = entry.word.load(Acquire);
            if taken & bit(index) != 0 && Phase::of(word) == Phase::Called {
                let ticket = Ticket(index);
                let is_head = false;
                self.answer_as(
                    Phase::LastWords,
                    Overdue {
                        ticket,
                        word,
                        is_head,
                    },
                    page,
                );
            }
        }
    }

    pub fn phase(&self, ticket: Ticket) -> Phase {
        self.entries
            .get(ticket.0 as usize)
            .map_or(Phase::Begun, |entry| Phase::of(entry.word.load(Acquire)))
    }

    /// The watchdog has answered a request that is still in flight.
    pub fn has_answered(&self) -> bool {
        let taken = self.taken.load(Acquire);
        (0..)
            .zip(&self.entries)
            .filter(|(index, _)| taken & bit(*index) != 0)
            .any(|(_, entry)| Phase::of(entry.word.load(Acquire)) == Phase::Answered)
    }

    /// When the oldest request began that nobody has begun to answer, and all that began before
    /// `limit_ms` or then.
    pub fn overdue(&self, limit_ms: u64) -> (Option<u64>, Vec<Overdue>) {
        let taken = self.taken.load(Acquire);
        let mut oldest: Option<u64> = None;
        let mut overdue = Vec::new();
        for (index, entry) in (0..).zip(&self.entries) {
            let word = entry.word.load(Acquire);
            if taken & bit(index) == 0 || Phase::of(word) != Phase::Called {
                continue;
            }
            let started = entry.started.load(Relaxed);
            if started <= limit_ms {
                overdue.push(Overdue {
                    ticket: Ticket(index),
                    word,
                    is_head: entry.method.load() == b"HEAD",
                });
            } else {
                oldest = Some(oldest.map_or(started, |oldest| oldest.min(started)));
            }
        }
        (oldest, overdue)
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
            .map(|(index, entry)| entry.read(Ticket(index)))
            .collect();
        all.sort_by_key(|request| request.started_ms);
        all
    }

    pub fn clear(&self) {
        self.taken.store(0, Relaxed);
        self.unlisted.store(0, Relaxed);
    }
}

impl Entry {
    fn read(&self, ticket: Ticket) -> InFlight {
        InFlight {
            method: self.method.load(),
            target: self.target.load(),
            peer: self.peer.load(),
            started_ms: self.started.load(Relaxed),
            phase: Phase::of(self.word.load(Relaxed)),
            thread: self.thread.load(Relaxed),
            ticket,
        }
    }

    #[inline]
    fn change(&self, called: u64, to: Phase) -> bool {
        self.word
            .compare_exchange(called, called | to as u64, AcqRel, Acquire)
            .is_ok()
    }

    /// It sends a page to a socket that does not block, and then settles. Until then the socket
    /// must not be closed: its number could become another connection's.
    #[cold]
    fn wait_for_the_watchdog(&self) -> bool {
        while Phase::of(self.word.load(Acquire)) == Phase::Answering {
            std::thread::yield_now();
        }
        Phase::of(self.word.load(Acquire)) == Phase::Begun
    }
}

#[inline]
fn bit(index: u32) -> u64 {
    1_u64.checked_shl(index).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;

    use super::Phase;
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
    fn either_the_response_begins_or_the_watchdog_answers() {
        let slot = slot();
        let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
        let begun = slot.begin_request(b"GET", b"/1", b"", 10);
        slot.attach(begun, near.as_fd());
        let (_, late) = slot.overdue(10);
        assert!(slot.claim(begun));
        assert!(!slot.answer(late[0], b"no"));
        assert!(slot.claim(begun), "once it has begun it goes on");

        let stuck = slot.begin_request(b"GET", b"/2", b"", 11);
        slot.attach(stuck, near.as_fd());
        assert_eq!(slot.overdue(10), (Some(11), vec![]));
        let (_, late) = slot.overdue(11);
        assert!(slot.answer(late[0], b"late"));
        let mut received = String::new();
        far.read_to_string(&mut received).unwrap();
        assert_eq!(received, "late");
        assert!(!slot.claim(stuck));
        assert_eq!(slot.phase(stuck), Phase::Answered);
        assert_eq!(slot.overdue(99), (None, vec![]));
    }

    #[test]
    fn the_next_request_of_an_entry_is_not_answered_for_the_last() {
        let slot = slot();
        let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
        let first = slot.begin_request(b"GET", b"/1", b"", 10);
        slot.attach(first, near.as_fd());
        let (_, late) = slot.overdue(10);
        slot.end_request(first, 200, 1, 0, 0);
        let second = slot.begin_request(b"GET", b"/2", b"", 11);
        slot.attach(second, near.as_fd());
        assert_eq!(first, second);
        assert!(!slot.answer(late[0], b"no"));
        assert!(slot.claim(second));
    }

    #[test]
    fn last_words_go_to_all_that_have_got_nothing() {
        let slot = slot();
        let pairs = [(); 3].map(|()| std::os::unix::net::UnixStream::pair().unwrap());
        for (near, _) in &pairs {
            let ticket = slot.begin_request(b"GET", b"/", b"", 10);
            slot.attach(ticket, near.as_fd());
        }
        let begun = slot.in_flight()[1].ticket;
        assert!(slot.claim(begun));
        slot.answer_all(b"sorry");
        let phases: Vec<Phase> = slot.in_flight().iter().map(|one| one.phase).collect();
        assert_eq!(phases, [Phase::LastWords, Phase::Begun, Phase::LastWords]);
        let [first, second, third] = pairs;
        drop(second.0);
        for (mut far, expected) in [(first.1, "sorry"), (second.1, ""), (third.1, "sorry")] {
            let mut received = String::new();
            far.read_to_string(&mut received).unwrap();
            assert_eq!(received, expected);
        }
    }

    #[test]
    fn a_request_without_a_socket_is_not_answered_by_others() {
        let slot = slot();
        let ticket = slot.begin_request(b"GET", b"/", b"", 10);
        let (_, late) = slot.overdue(10);
        assert!(!slot.answer(late[0], b"no"));
        assert!(slot.claim(ticket));
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
