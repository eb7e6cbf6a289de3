//! Leaving without losing a request.

use oxicorn_sys::scoreboard::State;

use crate::application::Application;
use crate::clock::Moment;
use crate::engine::{Engine, Stage};

impl<A: Application> Engine<A> {
    /// Takes no more connections than those that already wait, and ends the rest as they finish.
    /// A second call changes nothing.
    pub fn drain(&mut self, application: &mut A) {
        if self.is_draining() {
            return;
        }
        self.slot.set_state(State::Draining);
        // The last turn may have been long ago where the loop waits without the engine: what it grants would
        // be over by now.
        self.now = Moment::now();
        // A little less than the arbiter grants: the worker ends by itself and is not killed.
        let until = self.now.after(self.options.graceful_timeout.mul_f32(0.95));
        // A request that was on its way when the worker was told to leave is answered.
        let silence = self.options.first_byte_timeout;
        let silent_until = self.now.after(silence).min(until);
        self.stage = Stage::Draining {
            silent_until,
            until,
        };
        self.accept_backlog(application);
        self.leave_channel();
        for listener in self.listeners.drain(..) {
            // Explicitly, since siblings and the arbiter keep the description alive; one that
            // was paused is not watched and needs no removal.
            let _ = self.poller.remove(&listener);
        }
        self.tighten_deadlines();
        self.next_tick = self.now;
    }
}
