//! The scope of a request.

use std::time::Duration;

use oxicorn_http::{Refused, Scheme, Version, decode_path, path_below};
use oxicorn_worker::Request;
use oxicorn_worker::clock::Moment;
use pyo3::exceptions::PySystemError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyString};

use super::client::{Client, Extensions};
use super::header_list::HeaderLists;
use crate::overdue::deadline;
use crate::wsgi::Listener;

/// The version of the specification of HTTP and WebSocket messages that is spoken.
const SPEC_VERSION: &str = "2.4";

/// What messages of a response are understood beyond the core ones.
const EXTENSIONS: [&str; 4] = [
    "http.response.trailers",
    "http.response.early_hint",
    "http.response.pathsend",
    "http.response.zerocopysend",
];

/// Makes scopes.
///
/// A scope begins as a copy of a base dict that holds every key, which is far cheaper than setting
/// them one by one: the connection's.
pub struct Scopes {
    bases: Vec<Py<PyDict>>,
    /// What all requests have as extensions.
    extensions: Py<PyDict>,
    timeout: Option<Duration>,
    /// What lifespan left; `None` without lifespan.
    state: Option<Py<PyDict>>,
    headers: HeaderLists,
    decoded: Vec<u8>,
    root_path: Vec<u8>,
}

impl Scopes {
    /// For requests that come in through `listeners`, in the worker's order.
    pub fn new(
        py: Python<'_>,
        listeners: &[Listener],
        root_path: &str,
        timeout: Option<Duration>,
        state: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Scopes> {
        let extensions = PyDict::new(py);
        for name in EXTENSIONS {
            extensions.set_item(name, PyDict::new(py))?;
        }
        let bases = listeners
            .iter()
            .map(|listener| Ok(base(py, listener, root_path)?.unbind()))
            .collect::<PyResult<_>>()?;
        Ok(Scopes {
            bases,
            extensions: extensions.unbind(),
            timeout,
            state: state.map(|state| state.clone().unbind()),
            headers: HeaderLists::default(),
            decoded: Vec::new(),
            root_path: root_path.as_bytes().to_vec(),
        })
    }

    /// The scope of one request that was called then.
    pub fn scope<'py>(
        &mut self,
        py: Python<'py>,
        request: &Request<'_>,
        began: Moment,
        client: &mut Client,
    ) -> PyResult<Result<Bound<'py, PyDict>, Refused>> {
        let Request { head, bytes, .. } = request;
        self.set_deadline(py, began, client)?;
        let scope = self.base(py, request.listener, client)?.bind(py).copy()?;
        match head.method(bytes) {
            // Base dicts have the most frequent values.
            b"GET" => {}
            method => scope.set_item(intern!(py, "method"), method_name(py, method))?,
        }
        if head.version != Version::HTTP_11 {
            let text = head.version.as_bytes();
            let version = String::from_utf8_lossy(text.get(5..).unwrap_or_default());
            scope.set_item(intern!(py, "http_version"), version)?;
        }
        if head.scheme == Scheme::Https {
            scope.set_item(intern!(py, "scheme"), intern!(py, "https"))?;
        }
        let query = head.query(bytes);
        if !query.is_empty() {
            scope.set_item(intern!(py, "query_string"), PyBytes::new(py, query))?;
        }
        let mut path = head.path(bytes);
        if let Some(script_name) = head.script_name(bytes)
            && !script_name.is_empty()
        {
            // ASGI's path has the root path in it; this only makes sure that it does.
            if let Err(refused) = path_below(path, script_name) {
                return Ok(Err(refused));
            }
            let root = String::from_utf8_lossy(script_name);
            scope.set_item(intern!(py, "root_path"), root)?;
        } else if self.root_path.is_empty() && path.is_empty() {
            path = b"/";
        }
        scope.set_item(intern!(py, "raw_path"), PyBytes::new(py, path))?;
        let decoded = decode_path(path, &mut self.decoded);
        scope.set_item(intern!(py, "path"), text(py, decoded))?;
        let headers = self.headers.list(py, request, client)?;
        scope.set_item(intern!(py, "headers"), headers)?;
        let state = match &self.state {
            Some(state) => state.bind(py).copy()?,
            None => PyDict::new(py),
        };
        scope.set_item(intern!(py, "state"), state)?;
        Ok(Ok(scope))
    }

    /// What the scopes of a connection begin with.
    fn base<'c>(
        &self,
        py: Python<'_>,
        listener: usize,
        client: &'c mut Client,
    ) -> PyResult<&'c Py<PyDict>> {
        if client.base.is_none() {
            let Some(base) = self.bases.get(listener) else {
                return Err(PySystemError::new_err("unknown listener"));
            };
            let base = base.bind(py).copy()?;
            if let Some(address) = &client.address {
                base.set_item(intern!(py, "client"), address)?;
            }
            let extensions = self.extensions(py, client)?;
            base.set_item(intern!(py, "extensions"), &extensions.all)?;
            client.base = Some(base.unbind());
        }
        (client.base.as_ref()).ok_or_else(|| PySystemError::new_err("a connection without a base"))
    }

    /// The connection's.
    fn extensions<'c>(&self, py: Python<'_>, client: &'c mut Client) -> PyResult<&'c Extensions> {
        let presence = &client.presence;
        match &mut client.extensions {
            Some(extensions) => Ok(extensions),
            empty => {
                let request = PyDict::new(py);
                request.set_item(intern!(py, "client"), presence)?;
                request.set_item(intern!(py, "deadline"), py.None())?;
                let all = self.extensions.bind(py).copy()?;
                all.set_item(intern!(py, "oxicorn.request"), &request)?;
                Ok(empty.insert(Extensions {
                    all: all.unbind(),
                    request: request.unbind(),
                }))
            }
        }
    }

    /// The extensions of the connection tell this request's deadline.
    #[inline]
    fn set_deadline(&self, py: Python<'_>, began: Moment, client: &mut Client) -> PyResult<()> {
        if let Some(timeout) = self.timeout {
            let deadline = PyFloat::new(py, deadline(began, timeout));
            let request = self.extensions(py, client)?.request.bind(py);
            request.set_item(intern!(py, "deadline"), deadline)?;
        }
        Ok(())
    }
}

/// UTF-8, with U+FFFD for what is not.
fn text<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    PyString::new(py, &String::from_utf8_lossy(bytes))
}

fn method_name<'py>(py: Python<'py>, method: &[u8]) -> Bound<'py, PyString> {
    match method {
        b"POST" => intern!(py, "POST").clone(),
        b"PUT" => intern!(py, "PUT").clone(),
        b"HEAD" => intern!(py, "HEAD").clone(),
        b"PATCH" => intern!(py, "PATCH").clone(),
        b"DELETE" => intern!(py, "DELETE").clone(),
        b"OPTIONS" => intern!(py, "OPTIONS").clone(),
        method => text(py, method),
    }
}

fn base<'py>(
    py: Python<'py>,
    listener: &Listener,
    root_path: &str,
) -> PyResult<Bound<'py, PyDict>> {
    let versions = PyDict::new(py);
    versions.set_item("version", "3.0")?;
    versions.set_item("spec_version", SPEC_VERSION)?;
    let dict = PyDict::new(py);
    dict.set_item("type", PyString::intern(py, "http"))?;
    dict.set_item("asgi", versions)?;
    dict.set_item("http_version", PyString::intern(py, "1.1"))?;
    match listener {
        Listener::Ip { name, port } => dict.set_item("server", (name, port))?,
        Listener::Unix { path } => dict.set_item("server", (text(py, path), py.None()))?,
    }
    dict.set_item("client", py.None())?;
    dict.set_item("scheme", PyString::intern(py, "http"))?;
    dict.set_item("method", PyString::intern(py, "GET"))?;
    dict.set_item("root_path", root_path)?;
    dict.set_item("path", "")?;
    dict.set_item("raw_path", PyBytes::new(py, b""))?;
    dict.set_item("query_string", PyBytes::new(py, b""))?;
    dict.set_item("headers", py.None())?;
    dict.set_item("state", py.None())?;
    dict.set_item("extensions", py.None())?;
    Ok(dict)
}
