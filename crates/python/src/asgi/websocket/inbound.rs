//! What the client does.

use oxicorn_websocket::Event;
use oxicorn_worker::End;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use super::socket::{Inbox, Last, Message, Socket, State};
use crate::asgi::cycle::HIGH_WATER;
use crate::asgi::endpoint::{Endpoint, Wanted};
use crate::asgi::shared::Command;

/// Bytes of unread messages from which on no more is taken from the client.
const ENOUGH: usize = 64 * 1024;

/// The same as a number of messages: small ones take more memory than they hold.
const MANY: usize = 64;

impl Socket {
    /// Bytes came; true if that is enough for now.
    pub fn arrived(slf: &Bound<'_, Self>, data: &mut [u8]) -> bool {
        let py = slf.py();
        let socket = slf.get();
        let Ok(mut state) = socket.state(py) else {
            return true;
        };
        state.pulse.heard = true;
        state.pulse.was_busy = true;
        if state.inbox.behind.is_empty() {
            state.read(py, data);
        } else {
            state.inbox.behind.extend_from_slice(data);
        }
        state.flush();
        let is_sated = state.must_wait();
        state.inbox.is_sated = is_sated;
        let wakes = state.inbox.has_news();
        drop(state);
        if wakes {
            socket.wake(py, Wanted::Message);
        }
        Self::after(slf);
        is_sated
    }

    /// The messages that came while there was no room for them, and more of the engine.
    pub fn read_on(slf: &Bound<'_, Self>) {
        let py = slf.py();
        let socket = slf.get();
        let Ok(mut state) = socket.state(py) else {
            return;
        };
        if !state.inbox.is_sated || state.must_wait() {
            return;
        }
        let mut behind = std::mem::take(&mut state.inbox.behind);
        state.read(py, &mut behind);
        state.flush();
        state.inbox.is_sated = state.must_wait();
        let wants_more = !state.inbox.is_sated;
        let wakes = state.inbox.has_news();
        let place = state.place;
        drop(state);
        if wakes {
            socket.wake(py, Wanted::Message);
        }
        if wants_more {
            socket.command(py, Command::More(place));
        }
        Self::after(slf);
    }

    /// Asks the engine for what is due after something was sent or received.
    pub fn after(slf: &Bound<'_, Self>) {
        let py = slf.py();
        let socket = slf.get();
        let Ok(state) = socket.state(py) else { return };
        if !state.is_away {
            return;
        }
        let command = if state.is_over() {
            Command::SocketOver(slf.clone().unbind())
        } else if state.link.unsent() > 0 {
            Command::Room(state.place)
        } else {
            return;
        };
        drop(state);
        socket.command(py, command);
    }

    /// The socket takes bytes again; true if some still wait then.
    pub fn room(slf: &Bound<'_, Self>) -> bool {
        let py = slf.py();
        let socket = slf.get();
        let Ok(mut state) = socket.state(py) else {
            return false;
        };
        let waits = match state.link.send_waiting() {
            Ok(is_sent) => !is_sent,
            Err(_) => {
                state.lose();
                false
            }
        };
        let (has_room, is_lost) = (!state.is_congested(HIGH_WATER / 4), state.is_over());
        drop(state);
        if has_room {
            socket.wake(py, Wanted::Room);
        }
        if is_lost {
            Self::lost(slf);
        } else if has_room {
            Self::read_on(slf);
        }
        waits
    }

    /// Something is over.
    pub fn ended(slf: &Bound<'_, Self>, end: &End<'_>) {
        if matches!(end, End::Body) {
            return;
        }
        // A client that has ended its side without a close frame is gone: it cannot answer ours.
        if let Ok(mut state) = slf.get().state(slf.py()) {
            state.lose();
        }
        Self::lost(slf);
    }

    fn lost(slf: &Bound<'_, Self>) {
        let py = slf.py();
        let socket = slf.get();
        socket.wake(py, Wanted::Message);
        socket.wake(py, Wanted::Room);
        Self::after(slf);
    }

    /// The next message, if there is one.
    pub fn take_message<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let socket = slf.get();
        let mut state = socket.state(py)?;
        let mut next = state.inbox.next();
        let is_failed = matches!(next, Next::Wait) && state.is_broken();
        if is_failed {
            state.fail();
            state.flush();
            next = state.inbox.next();
        }
        let reads_on = state.inbox.is_sated && state.inbox.messages.len() <= MANY / 4;
        drop(state);
        if reads_on {
            Self::read_on(slf);
        }
        if is_failed {
            Self::after(slf);
        }
        let message = PyDict::new(py);
        let kind = match next {
            Next::Wait => return Ok(None),
            Next::Connect => intern!(py, "websocket.connect"),
            Next::Message(Message::Text(text, _)) => {
                message.set_item(intern!(py, "text"), text)?;
                intern!(py, "websocket.receive")
            }
            Next::Message(Message::Binary(bytes, _)) => {
                message.set_item(intern!(py, "bytes"), bytes)?;
                intern!(py, "websocket.receive")
            }
            Next::Disconnect(code, reason) => {
                message.set_item(intern!(py, "code"), code)?;
                message.set_item(intern!(py, "reason"), reason)?;
                intern!(py, "websocket.disconnect")
            }
        };
        message.set_item(intern!(py, "type"), kind)?;
        Ok(Some(message.into_any()))
    }
}

enum Next {
    Wait,
    Connect,
    Message(Message),
    Disconnect(u16, String),
}

impl Inbox {
    fn next(&mut self) -> Next {
        if self.last == Last::Nothing {
            self.last = Last::Connect;
            return Next::Connect;
        }
        if let Some(message) = self.messages.pop_front() {
            let (Message::Text(_, len) | Message::Binary(_, len)) = message;
            self.held = self.held.saturating_sub(len);
            self.last = Last::Message;
            return Next::Message(message);
        }
        match &self.end {
            Some(end) => {
                self.last = Last::Disconnect;
                Next::Disconnect(end.code, end.reason.clone())
            }
            None => Next::Wait,
        }
    }

    fn has_news(&self) -> bool {
        !self.messages.is_empty() || self.end.is_some()
    }

    fn is_full(&self) -> bool {
        self.held >= ENOUGH || self.messages.len() >= MANY
    }
}

impl State {
    /// Nothing more can be taken from the client: the application is slow, or the client broke the protocol,
    /// or does not take what is sent, and would fill our memory with answers to its pings.
    fn must_wait(&self) -> bool {
        self.inbox.is_full() || self.is_broken() || self.link.unsent() > HIGH_WATER
    }

    /// Takes messages out of `input` until there are enough; what is left waits.
    fn read(&mut self, py: Python<'_>, input: &mut [u8]) {
        let mut at = 0;
        while !self.inbox.is_full() {
            let Some(protocol) = &mut self.protocol else {
                return;
            };
            let rest = input.get_mut(at..).unwrap_or_default();
            let (used, event) = protocol.receive(rest, &mut self.out);
            at = at.saturating_add(used);
            let message = match event {
                None => return,
                Some(Event::Text(text)) => {
                    Message::Text(PyString::new(py, text).into_any().unbind(), text.len())
                }
                Some(Event::Binary(bytes)) => {
                    Message::Binary(PyBytes::new(py, bytes).into_any().unbind(), bytes.len())
                }
                Some(Event::Closed(close)) => {
                    self.forsake();
                    return self.end(close.code.unwrap_or(1005), &close.reason);
                }
                Some(Event::Failed(violation)) => {
                    if self.is_broken() {
                        return self.note_violation();
                    }
                    // It comes behind our close frame.
                    self.forsake();
                    return self.end(violation.code(), &violation.to_string());
                }
            };
            // After an end of ours nobody is told of what still comes.
            if self.inbox.end.is_none() {
                let (Message::Text(_, len) | Message::Binary(_, len)) = message;
                self.inbox.held = self.inbox.held.saturating_add(len);
                self.inbox.messages.push_back(message);
            }
        }
        self.inbox
            .behind
            .extend_from_slice(input.get(at..).unwrap_or_default());
    }
}
