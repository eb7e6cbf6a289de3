//! What the end of an application's task means for its response.

use pyo3::prelude::*;

use super::cycle::State;
use super::departure::Departure;
use super::respond::Stage;
use super::task::Ended;
use crate::wsgi::Fault;

/// The answer for an application that fails before it has answered.
pub const PAGE: &[u8] =
    b"HTTP/1.1 500 Internal Server Error\r\nServer: oxicorn\r\nConnection: close\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 21\r\n\r\nInternal Server Error";

/// Gunicorn's words, which monitoring may look for. They end their line there, so the log has the request elsewhere.
pub const ERROR: &str = "Error in ASGI application";

/// How loudly something is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Somebody has to look at it.
    #[default]
    Error,
    Info,
    Debug,
}

/// What is to be said about it.
#[derive(Default)]
pub struct Outcome {
    /// For the error log; empty if there is nothing to say.
    pub message: &'static str,
    pub level: Level,
    /// The traceback that goes with it.
    pub error: Option<PyErr>,
    /// For the access log.
    pub fault: Option<Fault>,
}

impl Outcome {
    /// The application raised, which is called so if it is a fault. `has_left`: its client has gone.
    pub fn raised(&mut self, py: Python<'_>, error: &PyErr, fault: &'static str, has_left: bool) {
        let departure = match has_left {
            true => Departure::of(py, error),
            false => None,
        };
        (self.level, self.message) = match departure {
            None => (Level::Error, fault),
            Some(Departure::During) => (
                Level::Info,
                "ASGI application could not answer, because its client has gone",
            ),
            Some(Departure::Plain) => (
                Level::Debug,
                "ASGI application ended because its client has gone",
            ),
        };
        if departure != Some(Departure::Plain) {
            self.error = Some(error.clone_ref(py));
        }
    }

    /// The application is at fault.
    pub fn is_fault(&self) -> bool {
        self.level == Level::Error && !self.message.is_empty()
    }

    /// The line of the error log about the request called so.
    pub fn text(&self, request: &str) -> String {
        match self.message {
            ERROR => ERROR.to_owned(),
            message => format!("{message}: {request}"),
        }
    }
}

/// Ends the response as far as the application has not. `is_given_up`: nobody waits for its end any more, because the
/// worker leaves.
pub fn settle(
    py: Python<'_>,
    state: &mut State,
    ended: &Ended,
    is_given_up: bool,
    is_leaving: impl FnOnce() -> bool,
) -> Outcome {
    let is_quiet = state.is_lost || state.is_overdue || state.inbox.is_over();
    let mut outcome = Outcome::default();
    match ended {
        Ended::Raised(error) => {
            let has_left = state.is_lost || state.is_overdue || state.inbox.has_left();
            outcome.raised(py, error, ERROR, has_left);
        }
        Ended::Returned | Ended::Cancelled if is_quiet || state.stage == Stage::Complete => {}
        Ended::Returned if state.is_untold() => {
            outcome.message = "ASGI application returned without sending a response";
        }
        Ended::Returned => {
            outcome.message = "ASGI application returned before its response was complete";
        }
        Ended::Cancelled => outcome.message = "ASGI application was cancelled",
    }
    if state.stage == Stage::Complete {
        return outcome;
    }
    let ends_cleanly = is_leaving() && state.is_event_stream();
    let is_untold = state.is_untold();
    let is_lost = state.is_lost;
    state.stage = Stage::Complete;
    let Some(exchange) = &mut state.exchange else {
        return outcome;
    };
    // No answer means to a proxy that it may ask elsewhere.
    let is_dropped = is_given_up && matches!(ended, Ended::Cancelled);
    outcome.fault = Some(Fault {
        reason: match is_quiet {
            true => "client_disconnected",
            false if is_dropped => "interrupted",
            false => "application_error",
        },
        is_own_page: is_untold && !is_dropped,
    });
    if is_lost || is_dropped && is_untold {
        exchange.cut();
    } else if is_untold && (!is_quiet || outcome.is_fault()) {
        exchange.answer(500, PAGE);
    } else if ends_cleanly {
        exchange.close_after();
        exchange.finish();
    } else {
        exchange.cut();
    }
    outcome
}
