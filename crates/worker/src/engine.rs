//! The loop of a worker: waits for readiness and hands each connection to its next step.
//!
//! The driver (whoever runs the worker's thread) calls, again and again: [`Engine::poll`],
//! [`Engine::turn`], and looks at [`Engine::take_wakeup`] and [`Engine::is_finished`]. Every
//! connection's steps are in `cycle.rs`; accepting, time and leaving in `accept.rs`, `deadlines.rs`
//! and `drain.rs`.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use oxicorn_http::Head;
use oxicorn_sys::epoll::{Interest, Poller, Readiness, Token, Waiter};
use oxicorn_sys::scoreboard::{Slot, Ticket};
use oxicorn_sys::stream;
use slab::Slab;

use crate::application::Application;
use crate::batch::Batch;
use crate::clock::{DateLine, Moment};
use crate::connection::{Connection, Phase, Place};
use crate::handoff::Dispatch;
use crate::helper::Calls;
use crate::lending::{Leftovers, Shared};
use crate::memory::Budget;
use crate::options::Options;
use crate::pace::Pace;
use crate::seat::{Arrived, Seat, unpack};
use crate::watchdog::{Alarm, Watchdog};

/// Readiness reports taken from the kernel at once.
pub(crate) const EVENTS: usize = 256;

/// Bytes that all connections together may hold in memory.
const MEMORY: usize = 64 * 1024 * 1024;

/// What the two output buffers begin with.
const OUTBOUND: usize = 64 * 1024;

pub(crate) const WAKEUP: Token = Token(u64::MAX);
pub(crate) const CHANNEL: Token = Token(u64::MAX - 1);
pub(crate) const LISTENER: u64 = 1 << 63;

/// One worker's share of the work: its listeners, its connections, its clock.
pub struct Engine<A: Application> {
    pub(crate) options: Options,
    pub(crate) poller: Poller,
    pub(crate) listeners: Vec<OwnedFd>,
    pub(crate) accepting: Accepting,
    pub(crate) seats: Slab<Seat<A::Client>>,
    pub(crate) generation: u32,
    pub(crate) budget: Arc<Budget>,
    pub(crate) slot: Slot,
    pub(crate) now: Moment,
    pub(crate) born: Moment,
    pub(crate) date: DateLine,
    pub(crate) next_tick: Moment,
    /// When the application wants to be asked again.
    application_due: Option<Moment>,
    pub(crate) stage: Stage,
    pub(crate) requests: u64,
    /// The scoreboard's entry of the request that the application is called with.
    pub(crate) called: Option<Ticket>,
    pub(crate) batch: Batch,
    pub(crate) pace: Pace,
    /// Connections whose sockets have room for more of their output, in the order of service.
    pub(crate) roomy: VecDeque<Place>,
    /// Small responses that wait for the end of the turn.
    pub(crate) outbound: Vec<u8>,
    /// Where the present response is put together.
    scratch: Vec<u8>,
    /// Output buffers for requests that run elsewhere.
    pub(crate) spare_buffers: Vec<Vec<u8>>,
    /// Lent to the request that is being read: a head is too large to be moved from hand to hand.
    pub(crate) head: Option<Box<Head>>,
    /// Connections that are back from a request and have the next one at hand.
    pub(crate) ripe: Vec<Place>,
    /// What is received for requests that run elsewhere.
    pub(crate) landing: Vec<u8>,
    /// What a helper may work with during calls.
    pub(crate) lent: Option<Shared<A::Client>>,
    /// What the helper has left to do for this thread.
    pub(crate) left: Leftovers<A::Client>,
    /// Where calls that run in this thread are noted.
    pub(crate) calls: Option<Arc<Calls>>,
    pub(crate) dispatch: Option<Dispatch>,
    /// When this turn began.
    pub(crate) looked: Moment,
    /// The earliest moment at which what this turn found ready can have come.
    pub(crate) looked_before: Moment,
    /// What is ready was there directly after the turn before.
    pub(crate) is_found_at_once: bool,
    /// Microseconds that a request may wait before anybody asks for how long.
    pub(crate) carefree: u128,
    /// A connection came from elsewhere, where it may have waited.
    pub(crate) has_strangers: bool,
    /// Refused requests that the application knows of.
    pub(crate) refusals_told: u64,
    woken: bool,
    /// The watchdog has answered requests that run elsewhere.
    pub(crate) has_overdue: bool,
    /// Of the watchdog.
    pub(crate) alarm: Option<Alarm>,
}

/// A wait for readiness that does not need the engine.
pub struct Wait {
    at_most: Duration,
    waiter: Waiter,
}

impl Wait {
    /// Waits. Says how many connections are ready.
    ///
    /// # Errors
    ///
    /// As [`Engine::poll`].
    pub fn run(&mut self) -> io::Result<usize> {
        self.waiter.wait(self.at_most)
    }
}

/// Whether the listeners are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepting {
    Yes,
    /// No descriptor was left; tried again with the next tick.
    Paused,
}

/// What the worker is doing as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Serving,
    /// Still serving, and asking for a replacement.
    Retiring,
    /// No new connections; those that are idle may still send until `silent_until`, all others
    /// have until `until`.
    Draining {
        silent_until: Moment,
        until: Moment,
    },
}

impl<A: Application> Engine<A> {
    /// A loop over `listeners`, woken up by `wakeup` as well.
    ///
    /// # Errors
    ///
    /// When the kernel has no descriptors or memory left for it.
    pub fn new(
        options: Options,
        listeners: Vec<OwnedFd>,
        wakeup: impl AsFd,
        slot: Slot,
    ) -> io::Result<Engine<A>> {
        let now = Moment::now();
        let engine = Engine {
            poller: Poller::new(EVENTS)?,
            listeners,
            accepting: Accepting::Yes,
            seats: Slab::new(),
            generation: 0,
            budget: Budget::new(MEMORY, options.upload_directory.clone()),
            slot,
            now,
            born: now,
            date: DateLine::new(now),
            next_tick: now.after(options.tick),
            application_due: None,
            stage: Stage::Serving,
            requests: 0,
            called: None,
            batch: Batch::new(),
            pace: Pace::new(now),
            roomy: VecDeque::new(),
            outbound: Vec::with_capacity(OUTBOUND),
            scratch: Vec::with_capacity(OUTBOUND),
            spare_buffers: Vec::new(),
            head: None,
            ripe: Vec::new(),
            landing: Vec::new(),
            lent: None,
            left: Leftovers::default(),
            calls: None,
            dispatch: None,
            looked: now,
            looked_before: now,
            is_found_at_once: false,
            carefree: Engine::<A>::carefree(options.queue),
            has_strangers: false,
            refusals_told: 0,
            woken: false,
            has_overdue: false,
            alarm: None,
            options,
        };
        engine.poller.add(wakeup, WAKEUP, Interest::Readable)?;
        for listener in &engine.listeners {
            // Connections inherit it. A listener of another family has no such option.
            let _ = stream::set_nodelay(listener);
        }
        engine.watch_listeners()?;
        engine.slot.beat(now.millis());
        engine.measure_memory();
        Ok(engine)
    }

    /// The watchdog of its requests.
    pub fn watched_by(&mut self, watchdog: Option<&Watchdog>) {
        self.alarm = watchdog.and_then(Watchdog::alarm);
    }

    pub(crate) fn watch_listeners(&self) -> io::Result<()> {
        for (index, listener) in (0..).zip(&self.listeners) {
            self.poller.add_shared(listener, Token(LISTENER | index))?;
        }
        Ok(())
    }

    /// Waits until something is ready, but not beyond the next tick; `Duration::ZERO` only looks.
    ///
    /// # Errors
    ///
    /// When epoll itself fails, which leaves the worker nothing to do.
    pub fn poll(&mut self, at_most: Duration) -> io::Result<usize> {
        let wait = at_most.min(self.now.until(self.due()));
        self.poller.wait(wait)
    }

    /// How long nothing is to be done unless [`Engine::descriptor`] becomes readable.
    pub fn rest(&self) -> Duration {
        Moment::now().until(self.due())
    }

    /// Readable when [`Engine::poll`] would find something: for another loop to watch.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }

    /// The same in two steps, for a thread that does not keep others from the engine while it waits. What
    /// it brings back to [`Engine::end_wait`] is what [`Engine::turn`] then works on; no other
    /// thread finds anything ready in between.
    pub fn begin_wait(&mut self, at_most: Duration) -> Wait {
        Wait {
            at_most: at_most.min(self.now.until(self.due())),
            waiter: self.poller.lend(),
        }
    }

    /// The wait is over.
    pub fn end_wait(&mut self, wait: Wait) {
        self.poller.take_back(wait.waiter);
    }

    /// Does everything that the last [`Engine::poll`] found ready. A worker that has left begins nothing more:
    /// what still waits in the channel is for the others.
    pub fn turn(&mut self, ready: usize, application: &mut A) {
        if self.is_finished() {
            return;
        }
        // Of a helper that works between turns.
        self.clear_up(application);
        self.begin_turn();
        self.date.refresh(self.now);
        self.pace = Pace::new(self.now);
        for index in 0..ready {
            if application.is_over() {
                break;
            }
            if let Some(event) = self.poller.ready(index) {
                self.handle(event, application);
            }
            if self.batch.is_full() {
                self.run_batch(application);
            }
        }
        self.run_batch(application);
        if !self.ripe.is_empty() {
            self.serve_ripe(application);
            self.run_batch(application);
        }
        if !self.roomy.is_empty() {
            self.send_to_roomy(application);
        }
        if self.is_draining() {
            self.pass_on(application);
        }
        // The watchdog wakes the loop.
        if self.woken && (!A::INLINE || A::STREAMS) {
            self.note_overdue(application);
        }
        if self.now >= self.next_tick {
            self.tick(application);
        }
        self.application_due = application.turned(self.now);
    }

    fn handle(&mut self, event: Readiness, application: &mut A) {
        let Token(token) = event.token;
        if event.token == WAKEUP {
            self.woken = true;
        } else if event.token == CHANNEL {
            self.take_over();
        } else if token & LISTENER != 0 {
            self.accept(
                usize::try_from(token & !LISTENER).unwrap_or(usize::MAX),
                application,
            );
        } else {
            self.wake(unpack(token), event, application);
        }
    }

    fn wake(&mut self, place: Place, event: Readiness, application: &mut A) {
        let Some(seat) = self
            .seats
            .get_mut(place.key)
            .filter(|seat| seat.generation == place.generation)
        else {
            return;
        };
        match &mut seat.connection {
            Some(connection) if matches!(connection.phase, Phase::Sending(_)) => {
                if !std::mem::replace(&mut connection.is_roomy, true) {
                    self.roomy.push_back(place);
                }
            }
            Some(_) => self.gather(place.key),
            None if seat.live.is_some() => self.hear(place, event, application),
            None => self.mute(place),
        }
    }

    /// Goes on with long responses, after the requests of this turn. Those that have to wait for the
    /// next turn come first in it.
    fn send_to_roomy(&mut self, application: &mut A) {
        while let Some(place) = self.roomy.pop_front() {
            self.step(place, Arrived::Room, application);
            if self.pace.is_spent(self.now) {
                break;
            }
        }
        // Answers to what came behind them.
        self.send_waiting();
    }

    /// Lets a connection go as far as it can with what has come.
    pub(crate) fn step(&mut self, place: Place, arrived: Arrived<'_>, application: &mut A) {
        let Some(mut connection) = self.take(place) else {
            return;
        };
        connection.is_gathered = false;
        connection.is_roomy = false;
        // What a peer or an application sends must not end the worker; should a step of ours
        // panic in spite of all care, this connection is lost and no other.
        let stepped = catch_unwind(AssertUnwindSafe(|| match arrived {
            Arrived::Bytes(data) => self.receive(connection, data, application),
            Arrived::End => self.at_end(connection, application),
            Arrived::Room => self.send_on(connection, application),
            Arrived::Kept => self.advance_input(connection, application),
        }));
        match stepped {
            Ok(step) => self.conclude(place, step),
            Err(_) => self.recover(place.key),
        }
    }

    /// Takes the buffer that responses are put together in.
    pub(crate) fn lend_scratch(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.scratch)
    }

    /// Takes the buffer back. What waits in it joins the responses that wait already: from there
    /// they can be sent while the next call has the buffer.
    pub(crate) fn return_scratch(
        &mut self,
        buffer: Vec<u8>,
        connection: &mut Connection<A::Client>,
    ) {
        if let Some(response) = connection.waiting.take().and_then(|own| buffer.get(own)) {
            let start = self.outbound.len();
            self.outbound.extend_from_slice(response);
            connection.waiting = Some(start..self.outbound.len());
        }
        self.return_scratch_alone(buffer);
    }

    /// Takes the buffer back, with nothing in it that waits.
    pub(crate) fn return_scratch_alone(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.scratch = buffer;
    }

    /// When [`Engine::turn`] has to be called again at the latest, though nothing is ready.
    pub fn due(&self) -> Moment {
        self.application_due
            .map_or(self.next_tick, |due| due.min(self.next_tick))
    }

    /// Whether the wake-up descriptor became readable since the last question.
    pub fn take_wakeup(&mut self) -> bool {
        std::mem::take(&mut self.woken)
    }

    /// Whether the watchdog has answered requests that run elsewhere, since the last question.
    pub fn take_overdue(&mut self) -> bool {
        std::mem::take(&mut self.has_overdue)
    }

    /// The present, as of the last turn or request.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Requests that were called.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// The worker drains and has nothing left, or no time.
    pub fn is_finished(&self) -> bool {
        match self.stage {
            Stage::Serving | Stage::Retiring => false,
            Stage::Draining { until, .. } => {
                (self.has_only_overdue() && self.has_settled_channel()) || self.now >= until
            }
        }
    }

    /// The worker was told to leave, or decided it.
    pub fn is_draining(&self) -> bool {
        matches!(self.stage, Stage::Draining { .. })
    }
}
