//! The access log of a worker: which requests are told, and by whom.
//!
//! The usual log (a format string, a file or standard output) is written by the core; `oxicorn.logs.plan`
//! says whether it may be. For everything else the logger's `access` is called.

mod shared;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use oxicorn_worker::access_log::{Environ, Message, Record, Stamp, queued};
use oxicorn_worker::clock::Moment;
use oxicorn_worker::{NotStarted, Notice, Peer, Request};
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

pub use self::shared::{AccessLog, CoreWriter};
use self::shared::{Flushed, Plan};
use super::access_python::{Told, tell};
use super::journal::Journal;
use crate::ffi::one_byte_text;

/// How often the logger is asked whether it is still what it was.
const CHECK: Duration = Duration::from_secs(1);

/// Least time between two reports of dropped lines.
const REPORT: Duration = Duration::from_secs(10);

/// The access log as one thread has it.
pub struct Access<'py> {
    py: Python<'py>,
    journal: Journal<'py>,
    own: ParkedAccess,
}

/// What of it is left between two requests, when nobody is attached to the interpreter for it.
pub struct ParkedAccess {
    shared: Flushed,
    version: u64,
    plan: Arc<Plan>,
    stamp: Stamp,
    line: Vec<u8>,
    scratch: Vec<u8>,
    next_check: Moment,
    next_report: Moment,
}

impl ParkedAccess {
    /// The same for the next request.
    pub fn resume(self, py: Python<'_>) -> Access<'_> {
        Access {
            py,
            journal: Journal::to(self.shared.log(py).clone()),
            own: self,
        }
    }
}

/// When a request began, if anybody wants to know.
#[derive(Clone, Copy, Default)]
pub struct Began(Option<Moment>);

impl<'py> Access<'py> {
    /// A thread's part in `shared`.
    pub fn new(py: Python<'py>, shared: &Arc<AccessLog>) -> Access<'py> {
        let unread = Moment::from_micros(0);
        let own = ParkedAccess {
            shared: Flushed::new(shared),
            version: 0,
            plan: Arc::new(Plan::Nobody),
            stamp: Stamp::new(),
            line: Vec::new(),
            scratch: Vec::new(),
            next_check: unread,
            next_report: unread,
        };
        own.resume(py)
    }

    /// Puts it away until the next request.
    pub fn park(self) -> ParkedAccess {
        self.own
    }

    /// A request begins.
    #[inline]
    pub fn begin(&mut self) -> Began {
        if self.own.version != self.own.shared.version() {
            self.take_plan();
        }
        let is_timed = match &*self.own.plan {
            Plan::Nobody => false,
            Plan::Python => true,
            Plan::Core { format, .. } => format.needs_duration(),
        };
        Began(is_timed.then(Moment::now))
    }

    #[cold]
    fn take_plan(&mut self) {
        self.own.version = self.own.shared.version();
        self.own.plan = self.own.shared.plan();
        self.own.stamp.reset();
    }

    /// Somebody wants to know of requests.
    #[inline]
    pub fn is_listening(&self) -> bool {
        !matches!(*self.own.plan, Plan::Nobody)
    }

    /// A request has been answered. `error` says why not by the application, or not wholly.
    pub fn answered(
        &mut self,
        began: Began,
        request: &Request<'_>,
        answered: &Answered<'_>,
        environ: Option<&Bound<'py, PyDict>>,
        error: Option<Fault>,
    ) {
        let now = Moment::now();
        let application = began.0.map_or(0, |began| now.micros_since(began));
        let message = Message::Whole(request.head, request.bytes);
        let is_own_page = error.is_some_and(|fault| fault.is_own_page);
        if let Plan::Python = *self.own.plan {
            let told = Told {
                request: Some(request),
                message,
                application,
                status: answered.code,
            };
            let given = (!is_own_page).then_some(answered);
            let reason = error.map(|fault| fault.reason);
            let log = self.own.shared.log(self.py);
            if let Err(error) = tell(log, &told, answered.peer, environ, given, reason) {
                self.journal.exception("Error in the access log", &error);
            }
            return;
        }
        let record = Record {
            peer: answered.peer,
            message,
            status: answered.code,
            body_sent: answered.body_sent,
            response_fields: if is_own_page { b"" } else { answered.fields },
            application,
            queue: self.queue(answered.peer, message, application),
            error: error.map(|fault| fault.reason),
            environ: &Dict(environ),
        };
        self.write(&record, now);
    }

    /// Writes the line of a message that did not become a request, or of a request that was not started.
    pub fn note(&mut self, notice: &Notice<'_>) {
        let (peer, received, status, reason) = match *notice {
            Notice::Refused {
                peer,
                received,
                refused,
            } => (peer, received, refused.status(), "refused"),
            Notice::TimedOut { peer, received } => (peer, received, 408, "timeout"),
            Notice::NotStarted {
                peer,
                received,
                why,
            } => {
                let reason = match why {
                    NotStarted::Overloaded => "overloaded",
                    NotStarted::Abandoned => "client_disconnected",
                };
                (peer, received, why.status(), reason)
            }
            Notice::Overloaded { .. } | Notice::Trouble { .. } | Notice::Retiring(_) => return,
        };
        self.unserved(peer, received, status, reason);
    }

    /// The watchdog has answered a request that runs elsewhere since `began`.
    pub fn overdue(&mut self, began: Moment, request: &Request<'_>, peer: &Peer) {
        self.begin();
        let answered = Answered {
            peer,
            status: b"504 Gateway Timeout",
            code: 504,
            body_sent: 0,
            fields: b"",
        };
        let fault = Fault {
            reason: "timeout",
            is_own_page: true,
        };
        self.answered(Began(Some(began)), request, &answered, None, Some(fault));
    }

    #[cold]
    fn unserved(&mut self, peer: &Peer, received: &[u8], status: u16, reason: &'static str) {
        self.begin();
        let message = Message::torn(received);
        match *self.own.plan {
            Plan::Nobody => {}
            Plan::Python => {
                let told = Told {
                    request: None,
                    message,
                    application: 0,
                    status,
                };
                let log = self.own.shared.log(self.py);
                if let Err(error) = tell(log, &told, peer, None, None, Some(reason)) {
                    self.journal.exception("Error in the access log", &error);
                }
            }
            Plan::Core { .. } => {
                let record = Record {
                    peer,
                    message,
                    status,
                    body_sent: 0,
                    response_fields: b"",
                    application: 0,
                    queue: None,
                    error: Some(reason),
                    environ: &(),
                };
                self.write(&record, Moment::now());
            }
        }
    }

    /// Renders the line without the writer, which other threads want, and then hands it over.
    #[inline]
    fn write(&mut self, record: &Record<'_>, now: Moment) {
        let Plan::Core { format, .. } = &*self.own.plan else {
            return;
        };
        let log = self.own.shared.log(self.py);
        self.own.stamp.refresh(now, |text| {
            // Without a time a line is still better than none.
            if let Ok(second) = second(log, format.is_json()) {
                text.extend_from_slice(second.to_string_lossy().as_bytes());
            }
        });
        self.own.line.clear();
        format.render(
            record,
            &self.own.stamp,
            now,
            &mut self.own.line,
            &mut self.own.scratch,
        );
        self.own
            .shared
            .writer()
            .push(&self.own.line, record.application);
    }

    /// What a trusted proxy says about when it got the request; only JSON lines tell it.
    fn queue(&self, peer: &Peer, message: Message<'_>, application: u64) -> Option<u64> {
        let Plan::Core { format, .. } = &*self.own.plan else {
            return None;
        };
        if !format.is_json() || !peer.trusted {
            return None;
        }
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .ok()?;
        let called = u64::try_from(wall.as_micros())
            .ok()?
            .checked_sub(application)?;
        queued(message.fields(b"x-request-start").last()?, called)
    }

    /// Writes what waits: there may be no other chance.
    pub fn flush(&self) {
        self.own.shared.writer().flush();
    }

    /// The loop has done what there was. Says when it shall ask again at the latest.
    #[inline]
    pub fn turned(&mut self, now: Moment) -> Option<Moment> {
        let is_core = matches!(*self.own.plan, Plan::Core { .. });
        if now >= self.own.next_check || (is_core && self.own.shared.writer().is_due(now)) {
            self.check(now);
        }
        if !matches!(*self.own.plan, Plan::Core { .. }) {
            return None;
        }
        let mut writer = self.own.shared.writer();
        let due = writer.turned(now);
        let dropped = if now >= self.own.next_report {
            writer.take_dropped()
        } else {
            None
        };
        drop(writer);
        if let Some(lines) = dropped {
            self.own.next_report = now.after(REPORT);
            self.journal.dropped(lines);
        }
        due
    }

    fn check(&mut self, now: Moment) {
        self.own.next_check = now.after(CHECK);
        // A signal that ends the worker may be handled during the call: that is no fault of the log.
        if let Err(error) = self.own.shared.refresh(self.py)
            && !error.is_instance_of::<PySystemExit>(self.py)
        {
            self.journal
                .exception("The access log cannot be used", &error);
        }
        if self.own.version != self.own.shared.version() {
            self.take_plan();
        }
    }
}

/// What a request was answered with.
pub struct Answered<'a> {
    /// Who sent the request.
    pub peer: &'a Peer,
    /// Status line without the version.
    pub status: &'a [u8],
    /// Status code.
    pub code: u16,
    /// Body bytes without framing.
    pub body_sent: u64,
    /// The application's header fields, as lines.
    pub fields: &'a [u8],
}

/// Why a response is not the application's, or not whole.
#[derive(Clone, Copy)]
pub struct Fault {
    /// In a word.
    pub reason: &'static str,
    /// The client got a page of the server's.
    pub is_own_page: bool,
}

fn second<'py>(log: &Bound<'py, PyAny>, is_json: bool) -> PyResult<Bound<'py, PyString>> {
    let py = log.py();
    let text = if is_json {
        py.import("oxicorn.logs.plan")?.call_method0("utc_second")?
    } else {
        log.call_method0("now")?
    };
    Ok(text.cast_into()?)
}

/// The environ, if the request had one.
struct Dict<'a, 'py>(Option<&'a Bound<'py, PyDict>>);

impl Environ for Dict<'_, '_> {
    fn value(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(dict) = self.0 else { return false };
        let exact = std::str::from_utf8(name)
            .ok()
            .and_then(|name| dict.get_item(name).ok().flatten());
        let found = exact.or_else(|| {
            let same = |key: &Bound<'_, PyAny>| {
                let key = key.cast::<PyString>().ok();
                key.and_then(one_byte_text)
                    .is_some_and(|key| key.eq_ignore_ascii_case(name))
            };
            dict.iter()
                .filter(|(key, _)| same(key))
                .last()
                .map(|(_, value)| value)
        });
        let Some(text) = found.and_then(|value| value.str().ok()) else {
            return false;
        };
        match one_byte_text(&text) {
            Some(bytes) => out.extend_from_slice(bytes),
            None => out.extend_from_slice(text.to_string_lossy().as_bytes()),
        }
        true
    }
}
