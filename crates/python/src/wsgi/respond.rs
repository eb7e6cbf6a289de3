//! From a request to the application, and from what it returns to the response.

use std::os::fd::AsRawFd;

use oxicorn_http::{Refused, SERVER_ERROR, error_page};
use oxicorn_worker::clock::Moment;
use oxicorn_worker::{Application, Called, Exchange, Gone, Notice, Request};
use pyo3::exceptions::{PyAssertionError, PySystemExit, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use super::access::{Access, Answered, Fault, ParkedAccess};
use super::client::Client;
use super::cycle::Kit;
use super::environ::{Common, Environs, Listener, Unfit};
use super::file_wrapper::FileWrapper;
use super::hooks::{Hooks, ParkedHooks};
use super::journal::Journal;
use super::start_response::not_bytes;
use crate::ffi::{PinnedBytes, call_two};

/// From this size on, a body's bytes are sent from where they are.
const WORTH_PINNING: usize = 16 * 1024;

/// A WSGI application, and what it takes to call it.
pub struct Wsgi<'py> {
    py: Python<'py>,
    worker: Bound<'py, PyAny>,
    callable: Bound<'py, PyAny>,
    journal: Journal<'py>,
    access: Access<'py>,
    environs: Environs,
    kit: Kit,
    listeners: usize,
    hooks: Option<Hooks<'py>>,
    sendfile: bool,
    /// Waits for clients in the way of the application's coroutines: `(descriptor, seconds)`, true when the
    /// client reads. Without it the thread waits.
    patience: Option<Bound<'py, PyAny>>,
    /// The thread that this runs in, as `threading.get_ident` names it.
    thread: u64,
    exit_raised: bool,
    /// The loop tells of overdue requests.
    leaves_overdue: bool,
}

/// A [`Wsgi`] between two requests, when nobody is attached to the interpreter for it.
pub struct ParkedWsgi {
    callable: Py<PyAny>,
    access: ParkedAccess,
    environs: Environs,
    kit: Kit,
    listeners: usize,
    hooks: Option<ParkedHooks>,
    sendfile: bool,
    patience: Option<Py<PyAny>>,
}

impl ParkedWsgi {
    /// The same for the next request.
    pub fn resume<'py>(self, worker: &Bound<'py, PyAny>) -> PyResult<Wsgi<'py>> {
        let py = worker.py();
        Ok(Wsgi {
            py,
            worker: worker.clone(),
            callable: self.callable.into_bound(py),
            journal: Journal::of(worker)?,
            access: self.access.resume(py),
            environs: self.environs,
            kit: self.kit,
            listeners: self.listeners,
            hooks: self.hooks.map(|hooks| hooks.resume(py)),
            sendfile: self.sendfile,
            patience: self.patience.map(|patience| patience.into_bound(py)),
            // A coroutine; the thread's stack is not its own.
            thread: 0,
            exit_raised: false,
            leaves_overdue: true,
        })
    }
}

/// Bytes that may wait for a client where waiting for it holds up nobody else.
const AHEAD_AT_MOST: u64 = 1024 * 1024;

/// How long an application waits for a client that reads nothing, in seconds.
const CLIENT_PATIENCE: u32 = 60;

/// Why a call did not end in a response.
enum Failure {
    /// The client went away; nobody needs the rest.
    Gone,
    /// The application raised, or returned what is no response.
    Raised(PyErr),
    /// The request cannot be given to the application.
    Refused(Refused),
}

impl Failure {
    /// The same as the access log tells it, before the exchange is ended.
    fn fault(&self, py: Python<'_>, exchange: &Exchange<Client>) -> Fault {
        let reason = match self {
            Failure::Gone => "client_disconnected",
            Failure::Refused(_) => "refused",
            Failure::Raised(error) if error.is_instance_of::<PySystemExit>(py) => "interrupted",
            Failure::Raised(_) => "application_error",
        };
        Fault {
            reason,
            is_own_page: !exchange.is_started(),
        }
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Failure::Raised(error)
    }
}

impl From<Gone> for Failure {
    fn from(_: Gone) -> Self {
        Failure::Gone
    }
}

impl From<Unfit> for Failure {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Refused(refused) => Failure::Refused(refused),
            Unfit::Python(error) => Failure::Raised(error),
        }
    }
}

impl<'py> Wsgi<'py> {
    /// The application of `worker`, reached through `listeners`.
    pub fn new(
        worker: &Bound<'py, PyAny>,
        common: &Common,
        listeners: &[Listener],
        sendfile: bool,
    ) -> PyResult<Wsgi<'py>> {
        let py = worker.py();
        let bases = listeners.len();
        let kit = Kit::new(py, bases)?;
        let mut environs = Environs::new(py, common, listeners.to_vec())?;
        environs.set_early_hints(py, kit.early_hints(py))?;
        let hooks = Hooks::of(worker)?;
        kit.cycle().answer(py)?.keep_headers = hooks.is_some();
        Ok(Wsgi {
            py,
            worker: worker.clone(),
            callable: worker.getattr("wsgi")?,
            journal: Journal::of(worker)?,
            access: Access::new(py, &common.access),
            environs,
            kit,
            listeners: bases,
            hooks,
            sendfile,
            patience: None,
            thread: py
                .import("threading")?
                .call_method0("get_ident")?
                .extract()?,
            exit_raised: false,
            leaves_overdue: false,
        })
    }

    /// Waits for clients by calling `patience` instead of holding up the thread.
    pub fn wait_with(&mut self, patience: Bound<'py, PyAny>) {
        self.patience = Some(patience);
    }

    /// The loop tells the access log of requests that took too long, whether they come back or not.
    pub fn leave_overdue(&mut self) {
        self.leaves_overdue = true;
    }

    /// Puts it away until the next request.
    pub fn park(self) -> ParkedWsgi {
        ParkedWsgi {
            callable: self.callable.unbind(),
            access: self.access.park(),
            environs: self.environs,
            kit: self.kit,
            listeners: self.listeners,
            hooks: self.hooks.map(Hooks::park),
            sendfile: self.sendfile,
            patience: self.patience.map(Bound::unbind),
        }
    }

    /// Whether `SystemExit` left an application call. A worker that was told to leave at that moment
    /// (its signal handlers raise it) does not go on with other requests.
    pub fn exit_was_raised(&self) -> bool {
        self.exit_raised
    }

    /// The worker was not told to leave.
    #[cold]
    fn is_alive(&self) -> bool {
        let alive = self.worker.getattr(intern!(self.py, "alive"));
        alive.and_then(|alive| alive.is_truthy()).unwrap_or(true)
    }

    /// Runs one request to its end. `None` if the exchange got lost, which only a fault of the server's
    /// own can do.
    pub fn run(
        &mut self,
        request: Request<'_>,
        exchange: Exchange<Client>,
    ) -> Option<Exchange<Client>> {
        self.answer(request, exchange)
            .map_err(|error| error.print(self.py))
            .ok()
    }

    fn answer(
        &mut self,
        mut request: Request<'_>,
        mut exchange: Exchange<Client>,
    ) -> PyResult<Exchange<Client>> {
        let mut environ = None;
        let began = self.access.begin();
        exchange.runs_in(self.thread);
        let result = match self.prepare(&mut request, &mut exchange) {
            Ok(prepared) => {
                let environ = environ.insert(prepared);
                self.kit.begin(self.py, exchange, request.head.version)?;
                let result = self.respond(environ);
                let Some(kept) = self.kit.end(self.py)? else {
                    return Err(PyAssertionError::new_err("the exchange is lost"));
                };
                exchange = kept;
                result
            }
            Err(failure) => Err(failure),
        };
        let fault = result
            .as_ref()
            .err()
            .map(|failure| failure.fault(self.py, &exchange));
        match result {
            Ok(()) => self.finish(&request, &mut exchange),
            Err(Failure::Gone) => exchange.cut(),
            Err(Failure::Refused(refused)) => self.refuse(&refused, &mut exchange),
            Err(Failure::Raised(error)) => self.fail(&error, &request, &mut exchange),
        }
        if self.access.is_listening() && !(self.leaves_overdue && exchange.is_overdue()) {
            let answer = self.kit.cycle().answer(self.py)?;
            let answered = Answered {
                peer: exchange.peer(),
                status: &answer.status,
                code: exchange.status(),
                body_sent: exchange.body_sent(),
                fields: answer.fields.lines(),
            };
            self.access
                .answered(began, &request, &answered, environ.as_ref(), fault);
        }
        if let Some(hooks) = &self.hooks {
            hooks.after_request(&request, &exchange, environ.as_ref(), &self.kit);
        }
        drop(environ);
        if let Some(client) = exchange.client() {
            client.presence.get().request_over();
        }
        if !self.kit.is_free(self.py, self.environs.starts()) {
            self.renew_kit()?;
        }
        Ok(exchange)
    }

    /// What comes before the application: the hook and the environ.
    #[inline]
    fn prepare(
        &mut self,
        request: &mut Request<'_>,
        exchange: &mut Exchange<Client>,
    ) -> Result<Bound<'py, PyDict>, Failure> {
        if let Some(hooks) = &self.hooks {
            hooks.before_request(request, exchange.peer())?;
        }
        if exchange.client().is_none() {
            let client = Client::new(self.py, exchange.peer(), exchange.socket())?;
            *exchange.client() = Some(client);
        }
        let began = exchange.began();
        let (client, peer) = exchange.client_and_peer();
        let Some(client) = client else {
            return Err(PyAssertionError::new_err("the client is unknown").into());
        };
        Ok(self
            .environs
            .environ(self.py, request, began, client, peer)?)
    }

    fn respond(&self, environ: &Bound<'py, PyDict>) -> Result<(), Failure> {
        let start_response = self.kit.start_response(self.py);
        let iterable = call_two(&self.callable, environ.as_any(), start_response)?;
        let sent = self.send(&iterable);
        let closed = close(&iterable);
        sent?;
        closed?;
        Ok(())
    }

    /// Sends what the application returned.
    #[inline]
    fn send(&self, iterable: &Bound<'py, PyAny>) -> Result<(), Failure> {
        if let Ok(list) = iterable.cast_exact::<PyList>() {
            for item in list.iter() {
                self.send_item(&item)?;
            }
        } else if let Ok(tuple) = iterable.cast_exact::<PyTuple>() {
            for item in tuple.iter_borrowed() {
                self.send_item(&item)?;
            }
        } else if iterable.is_none() {
            let reason = "the application returned None: expected an iterable of bytes objects";
            return Err(PyTypeError::new_err(reason).into());
        } else if !self.send_file(iterable)? {
            for item in iterable.try_iter()? {
                self.send_item(&item?)?;
                // PEP 3333: a block leaves before the next one is asked for.
                self.flush()?;
            }
        }
        self.kit.cycle().answer(self.py)?.start()?;
        Ok(())
    }

    #[inline]
    fn send_item(&self, item: &Bound<'py, PyAny>) -> Result<(), Failure> {
        let mut answer = self.kit.cycle().answer(self.py)?;
        let exchange = answer.start()?;
        let bytes = item.cast::<PyBytes>().map_err(|_| not_bytes(item))?;
        let data = bytes.as_bytes();
        if data.len() < WORTH_PINNING {
            exchange.write(data)?;
        } else {
            exchange.write_shared(Box::new(PinnedBytes::new(bytes.clone())))?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Failure> {
        let mut answer = self.kit.cycle().answer(self.py)?;
        let exchange = answer.exchange()?;
        exchange.flush_block()?;
        if let Some(patience) = &self.patience {
            drop(answer);
            return self.wait_with_others(patience);
        }
        if !exchange.is_congested() {
            return Ok(());
        }
        // The application outran its client by more than may be stored: as long as this lasts
        // the interpreter is free for the application's other threads.
        let Some(mut exchange) = answer.exchange.take() else {
            return Ok(());
        };
        drop(answer);
        let (exchange, waited) = self.py.detach(move || {
            let waited = exchange.wait();
            (exchange, waited)
        });
        self.kit.cycle().answer(self.py)?.exchange = Some(exchange);
        Ok(waited?)
    }

    /// Waits until the client has read enough, while the application's other coroutines go on.
    fn wait_with_others(&self, patience: &Bound<'py, PyAny>) -> Result<(), Failure> {
        let mut answer = self.kit.cycle().answer(self.py)?;
        let exchange = answer.exchange()?;
        if exchange.unsent() <= AHEAD_AT_MOST {
            return Ok(());
        }
        let descriptor = exchange.socket().as_raw_fd();
        drop(answer);
        // Until all of it went: what is kept in one piece is only let go as a whole.
        loop {
            let is_reading = patience.call1((descriptor, CLIENT_PATIENCE))?.is_truthy()?;
            let mut answer = self.kit.cycle().answer(self.py)?;
            let exchange = answer.exchange()?;
            if !is_reading {
                exchange.give_up();
                return Err(Failure::Gone);
            }
            if exchange.send_waiting()? {
                return Ok(());
            }
        }
    }

    /// Lets the kernel send a wrapped file; false if the object is not one, or has no file.
    fn send_file(&self, iterable: &Bound<'py, PyAny>) -> Result<bool, Failure> {
        let Ok(wrapper) = iterable.cast::<FileWrapper>() else {
            return Ok(false);
        };
        let Some(part) = Some(wrapper)
            .filter(|_| self.sendfile)
            .and_then(|file| file.get().part(self.py))
        else {
            return Ok(false);
        };
        let mut answer = self.kit.cycle().answer(self.py)?;
        answer
            .start()?
            .write_file(part.file, part.offset, part.length)?;
        Ok(true)
    }

    #[inline]
    fn finish(&self, request: &Request<'_>, exchange: &mut Exchange<Client>) {
        exchange.finish();
        if exchange.missing() > 0 {
            let method = request.head.method(request.bytes).escape_ascii();
            let target = request.head.target(request.bytes).escape_ascii();
            self.journal.short(&format!("{method} {target}"), exchange);
        }
    }

    #[cold]
    fn refuse(&mut self, refused: &Refused, exchange: &mut Exchange<Client>) {
        self.journal.refused(exchange.peer(), refused);
        exchange.answer(refused.status(), &refused.page(b""));
    }

    /// The application raised: the log gets the traceback, the client a 500 if it has got nothing yet.
    #[cold]
    fn fail(&mut self, error: &PyErr, request: &Request<'_>, exchange: &mut Exchange<Client>) {
        if error.is_instance_of::<PySystemExit>(self.py) {
            self.exit_raised = true;
        }
        let method = request.head.method(request.bytes).escape_ascii();
        let target = request.head.target(request.bytes).escape_ascii();
        self.journal
            .exception(&format!("Error handling request {method} {target}"), error);
        exchange.answer(500, &error_page(500, SERVER_ERROR, "", b""));
    }

    /// The application kept something of this request: it stays with it, and the next requests get
    /// functions of their own.
    #[cold]
    fn renew_kit(&mut self) -> PyResult<()> {
        self.kit = Kit::new(self.py, self.listeners)?;
        self.kit.cycle().answer(self.py)?.keep_headers = self.hooks.is_some();
        self.environs
            .set_early_hints(self.py, self.kit.early_hints(self.py))
    }
}

/// Calls the iterable's `close`, if it has one.
#[inline]
fn close(iterable: &Bound<'_, PyAny>) -> PyResult<()> {
    if iterable.is_exact_instance_of::<PyList>() || iterable.is_exact_instance_of::<PyTuple>() {
        return Ok(());
    }
    if let Some(close) = iterable.getattr_opt(intern!(iterable.py(), "close"))? {
        close.call0()?;
    }
    Ok(())
}

impl Application for Wsgi<'_> {
    type Client = Client;

    const INLINE: bool = true;

    fn call(&mut self, request: Request<'_>, exchange: Exchange<Client>) -> Called<Client> {
        self.run(request, exchange)
            .map_or(Called::Lost, Called::Answered)
    }

    fn is_over(&self) -> bool {
        self.exit_raised && !self.is_alive()
    }

    fn notice(&mut self, notice: Notice<'_>) {
        self.journal.note(&notice);
        self.access.note(&notice);
    }

    fn turned(&mut self, now: Moment) -> Option<Moment> {
        self.access.turned(now)
    }
}
