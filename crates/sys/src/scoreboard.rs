//! What every worker is doing, in memory that outlives it.
//!
//! One anonymous shared mapping, made by the arbiter before the first fork, one record per worker. A worker
//! writes its own record with relaxed atomics; nobody locks, nothing here reads a clock or makes a
//! system call. The arbiter reads the record whenever it likes, also after the worker was killed:
//! that is how a death report knows which request was in flight.
//!
//! Several requests may be in flight at once: each has an entry of its own in a small table.
//!
//! A record has **one writer at a time**: counters are bumped with a load and a store, not with a
//! locked instruction. A worker with several threads has to serialise its own `*_request` calls.
//!
//! Readers of a living worker may see a request half replaced by the next one; they get a mixed text
//! at worst, never an invalid one in memory terms.

mod counters;
mod in_flight;
mod memory;
mod tenure;
mod text;

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{
    AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

pub use self::counters::{Counters, LATENCY_BUCKETS};
use self::counters::{Tally, bump};
use self::in_flight::Requests;
pub use self::in_flight::{InFlight, LISTED, Overdue, Phase, TARGET_LIMIT, Ticket};
use self::memory::Memory;
pub use self::tenure::Tenure;
use self::tenure::Tenures;

/// What a worker says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Nobody uses the record.
    Free = 0,
    /// Forked, loading the application.
    Booting = 1,
    /// The application is loaded; the worker accepts connections.
    Ready = 2,
    /// It was asked to stop and finishes what it has.
    Draining = 3,
    /// The process is gone; the record is kept until the arbiter has read it.
    Exited = 4,
    /// It serves, and asks for a replacement.
    Retiring = 5,
}

impl State {
    fn from_byte(byte: u8) -> State {
        match byte {
            1 => State::Booting,
            2 => State::Ready,
            3 => State::Draining,
            4 => State::Exited,
            5 => State::Retiring,
            _ => State::Free,
        }
    }
}

/// All records. The mapping is never unmapped: handles to it are given to workers and to Python.
#[derive(Clone, Copy)]
pub struct Scoreboard {
    records: &'static [Record],
}

impl Scoreboard {
    /// Maps room for `workers` records; pages that are never used cost no memory.
    pub fn new(workers: usize) -> io::Result<Scoreboard> {
        let workers = workers.max(1);
        let length = workers
            .checked_mul(size_of::<Record>())
            .ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice aliases nothing.
        let start = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
            )
        }?
        .cast::<Record>();
        debug_assert!(start.is_aligned());
        // SAFETY: the mapping is page aligned (so aligned for Record), `length` bytes long, zeroed (every
        // field is an atomic integer, for which zero is valid) and never unmapped. Only shared
        // references are made, and all mutation goes through atomics.
        let records = unsafe { std::slice::from_raw_parts(start, workers) };
        Ok(Scoreboard { records })
    }

    /// Takes a free record for a worker that is about to be forked; `None` when all are in use.
    pub fn claim(&self) -> Option<Slot> {
        let index = self
            .records
            .iter()
            .position(|record| record.state.load(Relaxed) == State::Free as u8)?;
        let record = self.records.get(index)?;
        record.clear();
        record.tenures.begin();
        record.state.store(State::Booting as u8, Relaxed);
        Some(self.slot(record, index))
    }

    /// The records in use, for status and for finding an idle sibling.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        let board = *self;
        board
            .records
            .iter()
            .enumerate()
            // The first free record is claimed: behind one that never was, none was.
            .take_while(|(_, record)| record.tenures.have_begun())
            .map(move |(index, record)| board.slot(record, index))
            .filter(|slot| slot.state() != State::Free)
    }

    /// The record at this position.
    pub fn at(&self, index: usize) -> Option<Slot> {
        let record = self.records.get(index)?;
        Some(self.slot(record, index))
    }

    fn slot(&self, record: &'static Record, index: usize) -> Slot {
        Slot {
            record,
            index,
            board: *self,
        }
    }
}

/// The handle to one worker's record: a pointer, free to copy and to send between threads.
#[derive(Clone, Copy)]
pub struct Slot {
    record: &'static Record,
    index: usize,
    board: Scoreboard,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slot({}, {:?})", self.index, self.state())
    }
}

// The worker's side.
impl Slot {
    /// The worker is alive at `now_ms` (CLOCK_MONOTONIC, milliseconds; see [`crate::clock`]).
    #[inline]
    pub fn beat(&self, now_ms: u64) {
        self.record.beat.store(now_ms, Relaxed);
    }

    /// Moves on to another state. Of two workers that leave in the same instant at least one sees the other
    /// leave, if each looks after it has told its own.
    #[inline]
    pub fn set_state(&self, state: State) {
        self.record.state.store(state as u8, SeqCst);
    }

    /// A request was read completely and goes to the application now. Also a heartbeat.
    #[inline]
    pub fn begin_request(&self, method: &[u8], target: &[u8], peer: &[u8], now_ms: u64) -> Ticket {
        self.beat(now_ms);
        self.record.in_flight.begin(method, target, peer, now_ms)
    }

    /// The response of that request is complete.
    #[inline]
    pub fn end_request(
        &self,
        ticket: Ticket,
        status: u16,
        micros: u64,
        bytes_in: u64,
        bytes_out: u64,
    ) {
        let record = self.record;
        record.in_flight.end(ticket);
        record
            .tally
            .count_request(status, micros, bytes_in, bytes_out);
    }

    /// The thread of a call waited this long, in microseconds, for what it needs to run: the
    /// interpreter.
    #[inline]
    pub fn add_call_wait(&self, micros: u64) {
        bump(&self.record.tally.call_wait, micros);
    }

    /// The request is over without a response: its exchange was lost.
    pub fn drop_request(&self, ticket: Ticket) {
        self.record.in_flight.end(ticket);
    }

    /// How many requests this worker runs at a time; from now on siblings may give it connections.
    pub fn set_capacity(&self, requests: u32) {
        self.record.capacity.store(requests, Relaxed);
    }

    /// A connection was given to a sibling.
    pub fn count_handed_off(&self) {
        bump(&self.record.tally.handed_off, 1);
    }

    /// A connection came from a sibling.
    pub fn count_received(&self) {
        bump(&self.record.tally.received, 1);
    }

    /// A request was answered with 503 because too many waited, or this one for too long.
    pub fn count_refused(&self) {
        bump(&self.record.tally.refused, 1);
    }

    /// A request was dropped because its client had left while it waited.
    pub fn count_abandoned(&self) {
        bump(&self.record.tally.abandoned, 1);
    }

    /// Where the answer to a request goes: the watchdog may give it until somebody else has claimed it.
    #[inline]
    pub fn attach(&self, ticket: Ticket, socket: BorrowedFd<'_>) {
        self.record.in_flight.attach(ticket, socket);
    }

    /// Which thread runs a request, as `pthread_self` names it.
    #[inline]
    pub fn note_thread(&self, ticket: Ticket, thread: u64) {
        self.record.in_flight.note_thread(ticket, thread);
    }

    /// The response begins; false if the watchdog has answered in its place. To be called before
    /// anything is sent and before the socket is closed.
    #[inline]
    pub fn claim(&self, ticket: Ticket) -> bool {
        self.record.in_flight.claim(ticket)
    }

    /// The watchdog answers with `page` in place of who handles the request, if the response has not
    /// begun; says whether it did.
    pub fn answer(&self, overdue: Overdue, page: &[u8]) -> bool {
        self.record.in_flight.answer(overdue, page)
    }

    /// Answers all requests whose response has not begun, as the last thing that a process does. For a signal
    /// handler.
    pub fn answer_all(&self, page: &[u8]) {
        self.record.in_flight.answer_all(page);
    }

    /// The watchdog has answered a request that is still in flight.
    pub fn has_answered(&self) -> bool {
        self.record.in_flight.has_answered()
    }

    /// How far the answer to a request in flight is.
    pub fn phase(&self, ticket: Ticket) -> Phase {
        self.record.in_flight.phase(ticket)
    }

    /// Requests that began at `limit_ms` or before and whose response has not; and when the oldest of the
    /// others began.
    pub fn overdue(&self, limit_ms: u64) -> (Option<u64>, Vec<Overdue>) {
        self.record.in_flight.overdue(limit_ms)
    }

    /// Resident memory of the worker, in KiB, as it measured it itself.
    pub fn set_rss(&self, kib: u64, now_ms: u64) {
        self.record.memory.note(kib, now_ms);
    }
}

// The arbiter's side, and that of siblings.
impl Slot {
    /// Position in the scoreboard.
    pub fn index(&self) -> usize {
        self.index
    }

    /// What the worker said last.
    #[inline]
    pub fn state(&self) -> State {
        State::from_byte(self.record.state.load(SeqCst))
    }

    /// Time of the last heartbeat; `None` before the first, when no timeout applies yet.
    pub fn last_beat(&self) -> Option<u64> {
        match self.record.beat.load(Relaxed) {
            0 => None,
            at => Some(at),
        }
    }

    /// Accepts connections and has nothing to do.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.state() == State::Ready && self.record.in_flight.is_empty()
    }

    /// Would begin with a connection from a sibling at once.
    #[inline]
    pub fn has_time(&self) -> bool {
        self.free_places() > 0
    }

    /// With how many connections from siblings it would begin at once.
    #[inline]
    pub fn free_places(&self) -> usize {
        if self.state() != State::Ready {
            return 0;
        }
        let capacity = u64::from(self.record.capacity.load(Relaxed));
        let free = capacity.saturating_sub(self.record.in_flight.count());
        usize::try_from(free).unwrap_or(usize::MAX)
    }

    /// Listens for connections from siblings, and has not been told to leave.
    pub fn takes_over(&self) -> bool {
        self.state() == State::Ready && self.record.capacity.load(Relaxed) > 0
    }

    /// The other records in use.
    pub fn siblings(&self) -> impl Iterator<Item = Slot> + use<> {
        let own = self.index;
        self.board.slots().filter(move |slot| slot.index != own)
    }

    /// Requests answered so far.
    #[inline]
    pub fn requests(&self) -> u64 {
        self.record.tally.requests.load(Relaxed)
    }

    /// Requests answered with 503 so far.
    pub fn refused(&self) -> u64 {
        self.record.tally.refused.load(Relaxed)
    }

    /// Process that uses the record, 0 before the fork.
    pub fn pid(&self) -> u32 {
        self.record.pid.load(Relaxed)
    }

    /// Written by the arbiter after the fork.
    pub fn set_pid(&self, pid: u32) {
        self.record.pid.store(pid, Relaxed);
    }

    /// The requests that the worker works on, or worked on when it died, in the order in which they
    /// began.
    pub fn in_flight(&self) -> Vec<InFlight> {
        self.record.in_flight.all()
    }

    /// Requests in flight beyond those that are listed.
    pub fn unlisted(&self) -> u64 {
        self.record.in_flight.unlisted()
    }

    /// Resident memory an hour before `now_ms` in KiB; `None` if the worker is younger.
    pub fn rss_hour_ago(&self, now_ms: u64) -> Option<u64> {
        self.record.memory.hour_ago(now_ms)
    }

    /// All counters at once.
    pub fn counters(&self) -> Counters {
        self.record.tally.all(self.record.memory.now())
    }

    /// Gives the record back; the next [`Scoreboard::claim`] may hand it out again.
    pub fn release(&self) {
        self.record.state.store(State::Free as u8, Relaxed);
    }
}

/// One worker's record. The parts that change with every request come first and close together; records
/// start on their own pair of cache lines so that neighbours do not slow each other down.
#[repr(C, align(128))]
struct Record {
    state: AtomicU8,
    pid: AtomicU32,
    beat: AtomicU64,
    tally: Tally,
    in_flight: Requests,
    memory: Memory,
    /// Requests that run at a time; 0 where siblings may give nothing.
    capacity: AtomicU32,
    tenures: Tenures,
}

impl Record {
    fn clear(&self) {
        self.pid.store(0, Relaxed);
        self.in_flight.clear();
        self.memory.clear();
        self.capacity.store(0, Relaxed);
        self.tally.clear();
        self.beat.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> Slot {
        Scoreboard::new(1).unwrap().claim().unwrap()
    }

    #[test]
    fn a_request_in_flight_is_kept_and_then_counted() {
        let slot = slot();
        let ticket = slot.begin_request(b"GET", b"/a?b=c&d=12345", b"127.0.0.1:4711", 5);
        let [request] = slot.in_flight().try_into().unwrap();
        assert_eq!(request.method, b"GET");
        assert_eq!(request.target, b"/a?b=c&d=12345");
        assert_eq!(request.peer, b"127.0.0.1:4711");
        assert_eq!(slot.last_beat(), Some(5));

        slot.end_request(ticket, 204, 1000, 10, 20);
        assert_eq!(slot.in_flight(), []);
        let counters = slot.counters();
        assert_eq!((counters.requests, counters.classes[2]), (1, 1));
        assert_eq!((counters.bytes_in, counters.bytes_out), (10, 20));
        assert_eq!(counters.latency[10], 1);
    }

    #[test]
    fn a_released_record_is_handed_out_again_and_empty() {
        let board = Scoreboard::new(2).unwrap();
        let first = board.claim().unwrap();
        let second = board.claim().unwrap();
        assert!(board.claim().is_none());
        first.beat(9);
        let ticket = first.begin_request(b"GET", b"/", b"", 9);
        first.end_request(ticket, 500, u64::MAX, 0, 0);
        first.release();
        assert_eq!(board.slots().count(), 1);
        let again = board.claim().unwrap();
        assert_eq!(again.index(), first.index());
        assert_eq!(again.counters(), Counters::default());
        assert_eq!((again.last_beat(), again.state()), (None, State::Booting));
        assert_eq!(second.state(), State::Booting);
    }

    #[test]
    fn records_behind_a_gap_are_found() {
        let board = Scoreboard::new(8).unwrap();
        let slots: Vec<Slot> = (0..3).filter_map(|_| board.claim()).collect();
        slots[1].release();
        let found: Vec<usize> = board.slots().map(|slot| slot.index()).collect();
        assert_eq!(found, [0, 2]);
    }

    #[test]
    fn idle_is_ready_without_a_request() {
        let slot = slot();
        assert!(!slot.is_idle());
        slot.set_state(State::Ready);
        assert!(slot.is_idle());
        slot.begin_request(b"GET", b"/", b"", 1);
        assert!(!slot.is_idle());
    }

    #[test]
    fn a_sibling_has_time_while_it_could_run_one_more_request() {
        let board = Scoreboard::new(8).unwrap();
        let (ours, theirs) = (board.claim().unwrap(), board.claim().unwrap());
        let has_time = || ours.siblings().any(|slot| slot.has_time());
        theirs.set_state(State::Ready);
        assert!(!has_time(), "it does not listen");
        theirs.set_capacity(1);
        assert!(has_time());
        theirs.begin_request(b"GET", b"/", b"", 1);
        assert!(!has_time());
        theirs.set_capacity(2);
        assert!(has_time());
        theirs.set_state(State::Draining);
        assert!(!has_time() && !theirs.takes_over());
        ours.set_state(State::Ready);
        ours.set_capacity(1);
        assert!(!has_time(), "one is no sibling of oneself");
    }
}
