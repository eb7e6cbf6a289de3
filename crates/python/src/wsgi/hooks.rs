//! `pre_request` and `post_request`.

use oxicorn_http::proxy::ProxyInfo;
use oxicorn_worker::access_log::Message;
use oxicorn_worker::{Exchange, Peer, Request};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use super::access::Answered;
use super::access_python::{bare_environ, header_list};
use super::client::Client;
use super::cycle::Kit;
use crate::ffi::latin1;

/// The request hooks of a configuration that has any. Requests of one that has none pay nothing.
pub struct Hooks<'py> {
    worker: Bound<'py, PyAny>,
    cfg: Bound<'py, PyAny>,
    pre_request: Bound<'py, PyAny>,
    post_request: Bound<'py, PyAny>,
    /// `oxicorn.http.message`: what the hooks are handed.
    message: Bound<'py, PyModule>,
    current: std::cell::RefCell<Option<Bound<'py, PyAny>>>,
}

/// The same between two requests, when nobody is attached to the interpreter for it.
pub struct ParkedHooks {
    worker: Py<PyAny>,
    cfg: Py<PyAny>,
    pre_request: Py<PyAny>,
    post_request: Py<PyAny>,
    message: Py<PyModule>,
}

impl ParkedHooks {
    /// The same for the next request.
    pub fn resume(self, py: Python<'_>) -> Hooks<'_> {
        Hooks {
            worker: self.worker.into_bound(py),
            cfg: self.cfg.into_bound(py),
            pre_request: self.pre_request.into_bound(py),
            post_request: self.post_request.into_bound(py),
            message: self.message.into_bound(py),
            current: std::cell::RefCell::new(None),
        }
    }
}

impl<'py> Hooks<'py> {
    /// The hooks of the worker's configuration, if they differ from those that do nothing.
    pub fn of(worker: &Bound<'py, PyAny>) -> PyResult<Option<Hooks<'py>>> {
        let message = worker.py().import("oxicorn.http.message")?;
        if !message
            .getattr("has_request_hooks")?
            .call1((worker,))?
            .is_truthy()?
        {
            return Ok(None);
        }
        let cfg = worker.getattr("cfg")?;
        Ok(Some(Hooks {
            worker: worker.clone(),
            pre_request: cfg.getattr("pre_request")?,
            post_request: cfg.getattr("post_request")?,
            cfg,
            message,
            current: std::cell::RefCell::new(None),
        }))
    }

    /// Puts them away until the next request.
    pub fn park(self) -> ParkedHooks {
        ParkedHooks {
            worker: self.worker.unbind(),
            cfg: self.cfg.unbind(),
            pre_request: self.pre_request.unbind(),
            post_request: self.post_request.unbind(),
            message: self.message.unbind(),
        }
    }

    /// Calls `pre_request(worker, req)`; what it raises becomes a 500.
    pub fn before_request(&self, request: &Request<'_>, peer: &Peer) -> PyResult<()> {
        let req = self.request_object(request, peer)?;
        self.current.replace(Some(req.clone()));
        self.pre_request.call1((&self.worker, req))?;
        Ok(())
    }

    /// Calls `post_request(worker, req, environ, resp)`; what it raises is logged.
    pub fn after_request(
        &self,
        request: &Request<'_>,
        exchange: &Exchange<Client>,
        environ: Option<&Bound<'py, PyDict>>,
        kit: &Kit,
    ) {
        let Some(req) = self.current.take() else {
            return;
        };
        if let Err(error) = self.call_post_request(request, req, exchange, environ, kit) {
            error.print(self.worker.py());
        }
    }

    fn call_post_request(
        &self,
        request: &Request<'_>,
        req: Bound<'py, PyAny>,
        exchange: &Exchange<Client>,
        environ: Option<&Bound<'py, PyDict>>,
        kit: &Kit,
    ) -> PyResult<()> {
        let py = self.worker.py();
        let answer = kit.cycle().answer(py)?;
        let status = latin1(py, &answer.status)?;
        let headers = match answer
            .given
            .as_ref()
            .and_then(|given| given.headers.as_ref())
        {
            Some(headers) => headers.bind(py).clone(),
            None => PyList::empty(py),
        };
        drop(answer);
        let is_head = request.head.method(request.bytes) == b"HEAD";
        let resp = match environ {
            Some(_) => self.message.getattr("Response")?.call1((
                &req,
                status,
                exchange.status(),
                headers,
                exchange.body_sent(),
                exchange.is_started(),
                is_head,
            ))?,
            None => py.None().into_bound(py),
        };
        let environ = environ.cloned().unwrap_or_else(|| PyDict::new(py));
        self.message.getattr("call_post_request")?.call1((
            &self.post_request,
            &self.worker,
            req,
            environ,
            resp,
        ))?;
        Ok(())
    }

    /// Calls `pre_request(worker, req)` for one of several requests at a time.
    pub fn request_began(&self, req: &Bound<'py, PyAny>) -> PyResult<()> {
        self.pre_request.call1((&self.worker, req))?;
        Ok(())
    }

    /// Calls `post_request` for a request that `pre_request` refused: there is no environ and no response.
    pub fn request_refused(&self, req: &Bound<'py, PyAny>) {
        let py = self.worker.py();
        let called = self.message.getattr("call_post_request").and_then(|call| {
            let environ = PyDict::new(py);
            call.call1((&self.post_request, &self.worker, req, environ, py.None()))
        });
        if let Err(error) = called {
            error.print(py);
        }
    }

    /// Calls `post_request(worker, req, environ, resp)` for such a request; what it raises is logged. The
    /// environ says what a WSGI application would have been told of the message.
    pub fn request_ended(
        &self,
        req: &Bound<'py, PyAny>,
        request: &Request<'_>,
        answered: &Answered<'_>,
    ) {
        if let Err(error) = self.tell_ended(req, request, answered) {
            error.print(self.worker.py());
        }
    }

    fn tell_ended(
        &self,
        req: &Bound<'py, PyAny>,
        request: &Request<'_>,
        answered: &Answered<'_>,
    ) -> PyResult<()> {
        let py = self.worker.py();
        let message = Message::Whole(request.head, request.bytes);
        let environ = bare_environ(py, message, answered.peer)?;
        let resp = self.message.getattr("Response")?.call1((
            req,
            latin1(py, answered.status)?,
            answered.code,
            header_list(py, answered.fields)?,
            answered.body_sent,
            answered.code != 0,
            message.method() == b"HEAD",
        ))?;
        self.message.getattr("call_post_request")?.call1((
            &self.post_request,
            &self.worker,
            req,
            environ,
            resp,
        ))?;
        Ok(())
    }

    /// What the hooks of this request get as `req`.
    pub fn request_object(
        &self,
        request: &Request<'_>,
        peer: &Peer,
    ) -> PyResult<Bound<'py, PyAny>> {
        request_object(&self.cfg, &self.message, request, peer)
    }
}

/// The `req` that stands for a request; `message` is `oxicorn.http.message`.
pub fn request_object<'py>(
    cfg: &Bound<'py, PyAny>,
    message: &Bound<'py, PyModule>,
    request: &Request<'_>,
    peer: &Peer,
) -> PyResult<Bound<'py, PyAny>> {
    let py = cfg.py();
    let Request { head, bytes, .. } = request;
    let headers = PyList::empty(py);
    for field in &head.fields {
        let name = head.name(bytes, field).to_ascii_uppercase();
        headers.append((latin1(py, &name)?, latin1(py, head.value(bytes, field))?))?;
    }
    let keywords = PyDict::new(py);
    keywords.set_item("cfg", cfg)?;
    keywords.set_item("method", latin1(py, head.method(bytes))?)?;
    keywords.set_item("uri", latin1(py, head.target(bytes))?)?;
    keywords.set_item("path", latin1(py, head.path(bytes))?)?;
    keywords.set_item("query", latin1(py, head.query(bytes))?)?;
    keywords.set_item("version", (head.version.major, head.version.minor))?;
    keywords.set_item("headers", headers)?;
    keywords.set_item(
        "scheme",
        if head.scheme == oxicorn_http::Scheme::Https {
            "https"
        } else {
            "http"
        },
    )?;
    let address = peer
        .address
        .map(|address| (address.ip().to_canonical().to_string(), address.port()));
    keywords.set_item("peer_addr", address)?;
    keywords.set_item("req_number", request.number)?;
    keywords.set_item("keep_alive", head.keep_alive)?;
    let proxied = peer
        .proxy
        .as_ref()
        .map(|info| proxy(py, info))
        .transpose()?;
    keywords.set_item("proxy_protocol_info", proxied)?;
    message.getattr("Request")?.call((), Some(&keywords))
}

/// What a PROXY header said, as hooks read it.
fn proxy<'py>(py: Python<'py>, info: &ProxyInfo) -> PyResult<Bound<'py, PyDict>> {
    let entries = PyDict::new(py);
    entries.set_item("proxy_protocol", info.protocol())?;
    entries.set_item("client_addr", info.source.ip().to_string())?;
    entries.set_item("client_port", info.source.port())?;
    entries.set_item("proxy_addr", info.destination.ip().to_string())?;
    entries.set_item("proxy_port", info.destination.port())?;
    Ok(entries)
}
