//! Who answers a request: its exchange, or the watchdog when it takes too long.

use std::os::fd::AsFd;

use oxicorn_sys::scoreboard::{Phase, Slot, State, Ticket};

/// The exchange's part of it. Dropped before the connection, so that the watchdog never writes to a
/// socket that is closed.
pub(crate) struct Claim {
    slot: Slot,
    ticket: Ticket,
    is_taken: bool,
}

impl Claim {
    /// From here on the watchdog may answer on `socket`.
    #[inline]
    pub fn new(slot: Slot, ticket: Ticket, socket: impl AsFd) -> Claim {
        slot.attach(ticket, socket.as_fd());
        Claim {
            slot,
            ticket,
            is_taken: false,
        }
    }

    /// The response begins; false if the watchdog has answered.
    #[inline]
    pub fn take(&mut self) -> bool {
        self.is_taken = self.is_taken || self.slot.claim(self.ticket);
        self.is_taken
    }

    /// The watchdog has answered.
    #[inline]
    pub fn is_lost(&self) -> bool {
        !self.is_taken
            && matches!(
                self.slot.phase(self.ticket),
                Phase::Answering | Phase::Answered
            )
    }

    /// The worker was told to leave since the request was called: its connection ends with it.
    #[inline]
    pub fn is_leaving(&self) -> bool {
        self.slot.state() == State::Draining
    }

    /// This thread, called so by `pthread_self`, runs the request.
    #[inline]
    pub fn note_thread(&self, thread: u64) {
        self.slot.note_thread(self.ticket, thread);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.take();
    }
}
