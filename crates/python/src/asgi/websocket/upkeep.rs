//! What time and the end of the worker do to WebSockets.

use std::ffi::CStr;
use std::time::Duration;

use oxicorn_websocket::{Keepalive, Pulse};
use pyo3::intern;
use pyo3::prelude::*;

use super::socket::{Socket, Stage, State};
use crate::asgi::callback::Callback;
use crate::asgi::endpoint::{Endpoint, Wanted};
use crate::ffi::Function;

/// How long the answer to our close frame is waited for, and after a violation the application.
const CLOSE: Duration = Duration::from_secs(5);

/// After so many looks without traffic a connection gives back what memory it can.
const AT_REST: u8 = 5;

/// RFC 6455 has 1001 for a server that goes down; 1012 (IANA's registry) says that it comes back.
const RESTART: u16 = 1012;

impl Socket {
    /// A second has passed.
    pub fn look(slf: &Bound<'_, Self>, now: Duration) {
        let socket = slf.get();
        let Ok(mut state) = socket.state(slf.py()) else {
            return;
        };
        let had_ended = state.inbox.end.is_some();
        state.look(now);
        state.flush();
        let has_ended = state.inbox.end.is_some() && !had_ended;
        drop(state);
        if has_ended {
            socket.wake(slf.py(), Wanted::Message);
            socket.wake(slf.py(), Wanted::Room);
        }
        Self::after(slf);
    }

    /// The client has gone and the task goes on: it has some time left.
    pub fn give_grace(slf: &Bound<'_, Self>) -> PyResult<()> {
        let socket = slf.get();
        let cancel = Function::bind::<Cancel>(slf.as_any())?;
        let shared = socket.shared_here()?;
        let timer = shared.calls.later(shared.grace, &cancel)?;
        socket.state(slf.py())?.timer = Some(timer.unbind());
        Ok(())
    }

    /// The worker leaves: says so to both sides.
    pub fn leave(slf: &Bound<'_, Self>) {
        let socket = slf.get();
        let Ok(mut state) = socket.state(slf.py()) else {
            return;
        };
        match state.stage {
            Stage::Connecting => state.deny(b"503 Service Unavailable", 503),
            Stage::Open => state.say_goodbye(RESTART, "Service Restart"),
            Stage::Denying { .. } | Stage::Over => return,
        }
        state.flush();
        state.end(RESTART, "Service Restart");
        drop(state);
        socket.wake(slf.py(), Wanted::Message);
        socket.wake(slf.py(), Wanted::Room);
        Self::after(slf);
    }
}

impl State {
    fn look(&mut self, now: Duration) {
        let (interval, timeout) = (self.settings.ping_interval, self.settings.ping_timeout);
        let Some(protocol) = &mut self.protocol else {
            return;
        };
        let pulse = &mut self.pulse;
        if std::mem::take(&mut pulse.was_busy) {
            pulse.looks_at_rest = 0;
        } else if pulse.looks_at_rest < AT_REST {
            pulse.looks_at_rest = pulse.looks_at_rest.saturating_add(1);
            if pulse.looks_at_rest == AT_REST {
                protocol.rest();
            }
        }
        let keepalive = pulse
            .keepalive
            .get_or_insert_with(|| Keepalive::new(interval, timeout, now));
        // Who is not read cannot show that it lives.
        if std::mem::take(&mut pulse.heard) || self.inbox.is_sated {
            keepalive.heard(now);
        }
        if protocol.is_closed() {
            return;
        }
        let is_broken = protocol.violation().is_some();
        if is_broken || !protocol.is_open() {
            if *pulse.close_by.get_or_insert(now.saturating_add(CLOSE)) > now {
                return;
            }
            if is_broken {
                self.fail();
            } else {
                self.lose();
            }
            return;
        }
        match keepalive.look(now) {
            Pulse::Rest => {}
            Pulse::Ping => {
                let _ = protocol.ping(&mut self.out);
            }
            Pulse::Dead => {
                let _ = protocol.close(Some(1011), "keepalive ping timeout", &mut self.out);
                self.flush();
                self.lose();
            }
        }
    }
}

/// The task of a WebSocket whose client has gone some time ago is cancelled.
struct Cancel;

impl Callback for Cancel {
    const NAME: &'static CStr = c"cancel";
    const DOC: &'static CStr = c"Cancel the task of a WebSocket whose client has gone.";
    type About = Socket;

    fn run(bound: &Bound<'_, Socket>) -> PyResult<()> {
        let py = bound.py();
        let mut state = bound.get().state(py)?;
        state.timer = None;
        let task = state.task.as_ref().map(|task| task.clone_ref(py));
        drop(state);
        if let Some(task) = task {
            task.call_method0(py, intern!(py, "cancel"))?;
        }
        Ok(())
    }
}

/// [`Socket::leave`] as a callback of the loop.
pub struct Leave;

impl Callback for Leave {
    const NAME: &'static CStr = c"leave";
    const DOC: &'static CStr = c"Close a WebSocket because the worker leaves.";
    type About = Socket;

    fn run(bound: &Bound<'_, Socket>) -> PyResult<()> {
        Socket::leave(bound);
        Ok(())
    }
}
