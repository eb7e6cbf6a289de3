//! What is kept with a connection from request to request: the peer as Python sees it.

use std::os::fd::{AsFd, AsRawFd, IntoRawFd};
use std::sync::{Arc, OnceLock, Weak};

use oxicorn_sys::ledger::Socket;
use oxicorn_worker::Peer;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};

use crate::presence::Presence;

/// A connection's values for the environ.
pub struct Client {
    pub remote_addr: Py<PyString>,
    /// Absent on unix sockets.
    pub remote_port: Option<Py<PyString>>,
    pub socket: Py<ClientSocket>,
    pub presence: Py<Presence>,
    /// Made with its second request.
    pub start: OnceLock<Start>,
}

/// What the environs of a connection that carries several requests begin as: a base environ with the
/// client's own values in it.
pub struct Start {
    pub environ: Py<PyDict>,
    /// Of those that share the functions in it, which live as long as this is the worker's.
    pub family: Arc<()>,
}

impl Client {
    /// Of the peer itself, or of the client that its PROXY header named.
    pub fn new(py: Python<'_>, peer: &Peer, socket: &Arc<Socket>) -> PyResult<Client> {
        let source = match &peer.proxy {
            Some(proxy) => Some(proxy.source),
            None => peer.address,
        };
        let (address, port) = match source {
            Some(address) => {
                let ip = address.ip().to_canonical().to_string();
                (
                    PyString::new(py, &ip),
                    Some(PyString::new(py, &address.port().to_string())),
                )
            }
            None => (PyString::new(py, ""), None),
        };
        let client_socket = ClientSocket {
            descriptor: Arc::downgrade(socket),
            opened: PyOnceLock::new(),
        };
        Ok(Client {
            remote_addr: address.unbind(),
            remote_port: port.map(Bound::unbind),
            socket: Py::new(py, client_socket)?,
            presence: Presence::new(py, socket, None)?,
            start: OnceLock::new(),
        })
    }
}

/// `environ["gunicorn.socket"]`: the client's socket, made a real `socket.socket` (of a duplicate
/// descriptor) only when an application asks for something of it.
#[pyclass(frozen, name = "socket", module = "oxicorn")]
pub struct ClientSocket {
    descriptor: Weak<Socket>,
    opened: PyOnceLock<Opened>,
}

/// What an application may keep beyond its request.
struct Opened {
    socket: Py<PyAny>,
    /// The engine sees by it that closing its own descriptor does not end the connection.
    _shared: Arc<Socket>,
}

#[pymethods]
impl ClientSocket {
    fn fileno(&self) -> i32 {
        self.descriptor
            .upgrade()
            .map_or(-1, |descriptor| descriptor.as_raw_fd())
    }

    fn __getattr__(&self, py: Python<'_>, name: Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        let opened = self.opened.get_or_try_init(py, || self.open(py))?;
        opened.socket.getattr(py, name)
    }
}

impl ClientSocket {
    fn open(&self, py: Python<'_>) -> PyResult<Opened> {
        let descriptor = self
            .descriptor
            .upgrade()
            .ok_or_else(|| PyOSError::new_err("the connection of this request is closed"))?;
        // The application may send something itself.
        descriptor.answers();
        let duplicate = descriptor.as_fd().try_clone_to_owned()?;
        let keywords = pyo3::types::PyDict::new(py);
        keywords.set_item("fileno", duplicate.into_raw_fd())?;
        let socket = py.import("socket")?.getattr("socket")?;
        Ok(Opened {
            socket: socket.call((), Some(&keywords))?.unbind(),
            _shared: descriptor,
        })
    }
}
