//! The environ of PEP 3333, as Gunicorn fills it.

use std::sync::Arc;
use std::time::Duration;

use oxicorn_http::{FieldKind, Refused, Scheme, decode_path, path_below};
use oxicorn_worker::clock::Moment;
use oxicorn_worker::{Body, Request};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyString};

use super::client::{Client, Start};
use super::file_wrapper::FileWrapper;
use super::input::Input;
use super::names::Names;
use crate::ffi::{latin1, one_byte_text};
use crate::overdue::deadline;

/// One of the worker's listeners, as far as environs tell it.
#[derive(Clone)]
pub enum Listener {
    /// SERVER_NAME and SERVER_PORT are what it is bound to.
    Ip { name: String, port: u16 },
    /// They come from the Host field, else SERVER_NAME is this path.
    Unix { path: Vec<u8> },
}

/// What all environs of a worker have in common.
pub struct Common {
    pub multithread: bool,
    pub multiprocess: bool,
    /// Of each request.
    pub timeout: Option<Duration>,
    pub errors: Py<PyAny>,
    /// From the process environment; requests outside of it are refused.
    pub script_name: Vec<u8>,
    /// The worker's access log.
    pub access: std::sync::Arc<super::access::AccessLog>,
}

/// Makes environs.
///
/// An environ begins as a copy of a base dict that holds every key that is always set, which is far
/// cheaper than setting them one by one; it is made large enough that a usual request's fields do
/// not resize it.
pub struct Environs {
    bases: Vec<Base>,
    words: Words,
    names: Names,
    script_name: Vec<u8>,
    timeout: Option<Duration>,
    decoded: Vec<u8>,
    requests: u64,
    /// Shared with the connections' own bases that were made from the present ones.
    family: Arc<()>,
}

struct Base {
    dict: Py<PyDict>,
    listener: Listener,
}

/// A request that cannot have an environ.
pub enum Unfit {
    Refused(Refused),
    Python(PyErr),
}

impl From<PyErr> for Unfit {
    fn from(error: PyErr) -> Unfit {
        Unfit::Python(error)
    }
}

macro_rules! words {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// Strings that every request needs, interned once.
        struct Words { $($name: Py<PyString>),* }

        impl Words {
            fn new(py: Python<'_>) -> Words {
                Words { $($name: PyString::intern(py, $text).unbind()),* }
            }
        }
    };
}

words! {
    content_length = "CONTENT_LENGTH",
    content_type = "CONTENT_TYPE",
    https = "https",
    input = "wsgi.input",
    path_info = "PATH_INFO",
    post = "POST",
    proxy_addr = "PROXY_ADDR",
    proxy_port = "PROXY_PORT",
    proxy_protocol = "PROXY_PROTOCOL",
    query_string = "QUERY_STRING",
    raw_uri = "RAW_URI",
    remote_addr = "REMOTE_ADDR",
    remote_port = "REMOTE_PORT",
    request_method = "REQUEST_METHOD",
    scheme = "wsgi.url_scheme",
    script_name = "SCRIPT_NAME",
    server_name = "SERVER_NAME",
    server_port = "SERVER_PORT",
    server_protocol = "SERVER_PROTOCOL",
    socket = "gunicorn.socket",
    presence = "oxicorn.client",
    deadline = "oxicorn.deadline",
    early_hints = "wsgi.early_hints",
}

impl Environs {
    /// For requests that come in through `listeners`, in the worker's order.
    pub fn new(py: Python<'_>, common: &Common, listeners: Vec<Listener>) -> PyResult<Environs> {
        let empty_input = Py::new(py, Input::empty())?;
        let bases = listeners
            .into_iter()
            .map(|listener| {
                let dict = base_dict(py, common, &listener, &empty_input)?;
                Ok(Base {
                    dict: dict.unbind(),
                    listener,
                })
            })
            .collect::<PyResult<_>>()?;
        Ok(Environs {
            bases,
            words: Words::new(py),
            names: Names::new(),
            script_name: common.script_name.clone(),
            timeout: common.timeout,
            decoded: Vec::new(),
            requests: 0,
            family: Arc::new(()),
        })
    }

    /// Puts the function that sends early hints into all environs to come.
    pub fn set_early_hints(&mut self, py: Python<'_>, function: &Bound<'_, PyAny>) -> PyResult<()> {
        self.family = Arc::new(());
        for base in &self.bases {
            base.dict
                .bind(py)
                .set_item(&self.words.early_hints, function)?;
        }
        Ok(())
    }

    /// How many connections have bases of their own that hold the present functions.
    #[inline]
    pub fn starts(&self) -> isize {
        isize::try_from(Arc::strong_count(&self.family) - 1).unwrap_or(isize::MAX)
    }

    /// The environ of one request that was called then; takes its body.
    pub fn environ<'py>(
        &mut self,
        py: Python<'py>,
        request: &mut Request<'_>,
        began: Moment,
        client: &Client,
        peer: &oxicorn_worker::Peer,
    ) -> Result<Bound<'py, PyDict>, Unfit> {
        self.requests = self.requests.wrapping_add(1);
        let Some(base) = self.bases.get(request.listener) else {
            return Err(
                PyErr::new::<pyo3::exceptions::PySystemError, _>("unknown listener").into(),
            );
        };
        let environ = match client.start.get() {
            Some(start) if Arc::ptr_eq(&start.family, &self.family) => {
                start.environ.bind(py).copy()?
            }
            start => {
                let environ = base.dict.bind(py).copy()?;
                self.set_client(&environ, client, peer)?;
                // An application that keeps what belongs to its requests gets new functions all the
                // time, which a base of its own would not have: it is made once.
                if start.is_none() && request.number > 1 {
                    let _ = client.start.set(Start {
                        environ: environ.copy()?.unbind(),
                        family: Arc::clone(&self.family),
                    });
                }
                environ
            }
        };
        if let Some(timeout) = self.timeout {
            let deadline = PyFloat::new(py, deadline(began, timeout));
            environ.set_item(&self.words.deadline, deadline)?;
        }
        self.set_request_line(&environ, request)?;
        self.set_fields(&environ, request)?;
        if let Some(input) = take_input(py, &mut request.body)? {
            environ.set_item(&self.words.input, input)?;
        }
        if let Some(Base {
            listener: Listener::Unix { path },
            ..
        }) = self.bases.get(request.listener)
        {
            self.set_server_from_host(&environ, request, path)?;
        }
        Ok(environ)
    }

    #[inline]
    fn set_request_line(
        &mut self,
        environ: &Bound<'_, PyDict>,
        request: &Request<'_>,
    ) -> Result<(), Unfit> {
        let py = environ.py();
        let Request { head, bytes, .. } = request;
        let words = &self.words;
        match head.method(bytes) {
            // Base dicts have the most frequent values.
            b"GET" => {}
            b"POST" => environ.set_item(&words.request_method, &words.post)?,
            method => environ.set_item(&words.request_method, latin1(py, method)?)?,
        }
        if head.version != oxicorn_http::Version::HTTP_11 {
            let version = latin1(py, &head.version.as_bytes())?;
            environ.set_item(&words.server_protocol, version)?;
        }
        let target = head.target(bytes);
        let raw_uri = latin1(py, target)?;
        environ.set_item(&words.raw_uri, &raw_uri)?;
        let query = head.query(bytes);
        if !query.is_empty() {
            environ.set_item(&words.query_string, latin1(py, query)?)?;
        }
        if head.scheme == Scheme::Https {
            environ.set_item(&words.scheme, &words.https)?;
        }

        let mut path = head.path(bytes);
        let script_name = head.script_name(bytes).unwrap_or(&self.script_name);
        if !script_name.is_empty() {
            path = path_below(path, script_name).map_err(Unfit::Refused)?;
            environ.set_item(&words.script_name, latin1(py, script_name)?)?;
        }
        let path = decode_path(path, &mut self.decoded);
        // Decoding only shortens: a path as long as the target is the target.
        let path_info = if path.len() == target.len() {
            raw_uri
        } else {
            latin1(py, path)?
        };
        environ.set_item(&words.path_info, path_info)?;
        Ok(())
    }

    #[inline]
    fn set_client(
        &self,
        environ: &Bound<'_, PyDict>,
        client: &Client,
        peer: &oxicorn_worker::Peer,
    ) -> PyResult<()> {
        let words = &self.words;
        environ.set_item(&words.remote_addr, &client.remote_addr)?;
        if let Some(port) = &client.remote_port {
            environ.set_item(&words.remote_port, port)?;
        }
        environ.set_item(&words.socket, &client.socket)?;
        environ.set_item(&words.presence, &client.presence)?;
        if let Some(proxy) = &peer.proxy {
            let (protocol, destination) = (proxy.protocol(), proxy.destination);
            environ.set_item(&words.proxy_protocol, protocol)?;
            environ.set_item(&words.proxy_addr, destination.ip().to_string())?;
            environ.set_item(&words.proxy_port, destination.port().to_string())?;
        }
        Ok(())
    }

    #[inline]
    fn set_fields(&mut self, environ: &Bound<'_, PyDict>, request: &Request<'_>) -> PyResult<()> {
        let py = environ.py();
        let Request { head, bytes, .. } = request;
        for field in &head.fields {
            let (name, value) = (head.name(bytes, field), head.value(bytes, field));
            let own_key = match field.kind {
                FieldKind::ContentType => &self.words.content_type,
                FieldKind::ContentLength => &self.words.content_length,
                _ => {
                    let entry = self.names.entry(py, name, value, self.requests)?;
                    if entry.is_repeated {
                        join(environ, &entry.key, entry.value)?;
                    } else {
                        environ.set_item(entry.key, entry.value)?;
                    }
                    continue;
                }
            };
            environ.set_item(own_key, latin1(py, value)?)?;
        }
        Ok(())
    }

    /// A unix socket has no host or port of its own.
    fn set_server_from_host(
        &self,
        environ: &Bound<'_, PyDict>,
        request: &Request<'_>,
        path: &[u8],
    ) -> PyResult<()> {
        let py = environ.py();
        let Request { head, bytes, .. } = request;
        let (name, port) = match head.first(FieldKind::Host) {
            None => (path, &b""[..]),
            Some(field) => {
                let default: &[u8] = if head.scheme == Scheme::Https {
                    b"443"
                } else {
                    b"80"
                };
                split_host(head.value(bytes, field), default)
            }
        };
        environ.set_item(&self.words.server_name, latin1(py, name)?)?;
        environ.set_item(&self.words.server_port, latin1(py, port)?)
    }
}

/// `host:port`, `[v6]:port` or a host alone.
fn split_host<'a>(host: &'a [u8], default_port: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let after_bracket = host
        .iter()
        .rposition(|byte| *byte == b']')
        .map_or(0, |at| at + 1);
    let (bracketed, rest) = host.split_at_checked(after_bracket).unwrap_or((host, &[]));
    match rest.iter().position(|byte| *byte == b':') {
        Some(colon) => {
            let name = host.get(..bracketed.len() + colon).unwrap_or_default();
            (name, rest.get(colon + 1..).unwrap_or_default())
        }
        None => (host, default_port),
    }
}

/// Repeated fields are one value, joined by a comma (RFC 9110 §5.3).
#[cold]
fn join(
    environ: &Bound<'_, PyDict>,
    key: &Bound<'_, PyString>,
    value: Bound<'_, PyString>,
) -> PyResult<()> {
    let Some(former) = environ.get_item(key)? else {
        return environ.set_item(key, value);
    };
    let former = former.cast_into::<PyString>()?;
    let parts = [one_byte_text(&former), one_byte_text(&value)].map(Option::unwrap_or_default);
    environ.set_item(key, latin1(environ.py(), &parts.join(&b','))?)
}

fn take_input<'py>(py: Python<'py>, body: &mut Body<'_>) -> PyResult<Option<Bound<'py, Input>>> {
    let input = match std::mem::replace(body, Body::Memory(&[])) {
        Body::Memory([]) => return Ok(None),
        Body::Memory(bytes) => Input::memory(PyBytes::new(py, bytes)),
        Body::File { file, .. } => Input::file(file),
    };
    Bound::new(py, input).map(Some)
}

fn base_dict<'py>(
    py: Python<'py>,
    common: &Common,
    listener: &Listener,
    empty_input: &Py<Input>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    // Interned keys are found by identity, by us and by applications.
    dict.set_item(intern!(py, "wsgi.version"), (1, 0))?;
    dict.set_item(intern!(py, "wsgi.url_scheme"), "http")?;
    dict.set_item(intern!(py, "wsgi.input"), empty_input)?;
    dict.set_item(intern!(py, "wsgi.errors"), &common.errors)?;
    dict.set_item(intern!(py, "wsgi.multithread"), common.multithread)?;
    dict.set_item(intern!(py, "wsgi.multiprocess"), common.multiprocess)?;
    dict.set_item(intern!(py, "wsgi.run_once"), false)?;
    dict.set_item(
        intern!(py, "wsgi.file_wrapper"),
        py.get_type::<FileWrapper>(),
    )?;
    dict.set_item(intern!(py, "wsgi.input_terminated"), true)?;
    dict.set_item(intern!(py, "wsgi.early_hints"), py.None())?;
    dict.set_item(intern!(py, "SERVER_SOFTWARE"), crate::SERVER_SOFTWARE)?;
    dict.set_item(intern!(py, "gunicorn.socket"), py.None())?;
    dict.set_item(intern!(py, "oxicorn.client"), py.None())?;
    dict.set_item(intern!(py, "oxicorn.deadline"), py.None())?;
    dict.set_item(intern!(py, "REQUEST_METHOD"), PyString::intern(py, "GET"))?;
    dict.set_item(intern!(py, "QUERY_STRING"), "")?;
    dict.set_item(intern!(py, "RAW_URI"), "")?;
    dict.set_item(
        intern!(py, "SERVER_PROTOCOL"),
        PyString::intern(py, "HTTP/1.1"),
    )?;
    dict.set_item(intern!(py, "SCRIPT_NAME"), "")?;
    dict.set_item(intern!(py, "PATH_INFO"), "")?;
    dict.set_item(intern!(py, "REMOTE_ADDR"), "")?;
    dict.set_item(intern!(py, "REMOTE_PORT"), "")?;
    let (name, port) = match listener {
        Listener::Ip { name, port } => (name.as_str(), port.to_string()),
        Listener::Unix { .. } => ("", String::new()),
    };
    dict.set_item(intern!(py, "SERVER_NAME"), name)?;
    dict.set_item(intern!(py, "SERVER_PORT"), port)?;
    if let Listener::Unix { .. } = listener {
        // Its place stays: the table keeps the size that all keys gave it.
        dict.del_item(intern!(py, "REMOTE_PORT"))?;
    }
    Ok(dict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_split_at_the_port() {
        assert_eq!(
            split_host(b"ex.org:81", b"80"),
            (&b"ex.org"[..], &b"81"[..])
        );
        assert_eq!(split_host(b"ex.org", b"443"), (&b"ex.org"[..], &b"443"[..]));
        assert_eq!(
            split_host(b"[::1]:8000", b"80"),
            (&b"[::1]"[..], &b"8000"[..])
        );
        assert_eq!(split_host(b"[::1]", b"80"), (&b"[::1]"[..], &b"80"[..]));
        assert_eq!(split_host(b"", b"80"), (&b""[..], &b"80"[..]));
    }
}
