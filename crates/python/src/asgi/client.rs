//! What is kept with a connection from request to request.

use std::sync::Arc;

use oxicorn_sys::ledger::Socket;
use oxicorn_worker::Peer;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::presence::Presence;

/// A connection's values for scopes.
pub struct Client {
    /// Host and port; `None` on unix sockets.
    pub address: Option<Py<PyTuple>>,
    /// The header fields of the latest request: a client sends most of them again and again.
    pub latest: Option<Latest>,
    /// What the scopes of its requests begin with; made with the first one. Never given away.
    pub base: Option<Py<PyDict>>,
    /// For the application's questions.
    pub presence: Py<Presence>,
    /// The scopes' `extensions`; made with the first request.
    pub extensions: Option<Extensions>,
}

/// What scopes have as `extensions`, and in it what is new with each request.
pub struct Extensions {
    pub all: Py<PyDict>,
    pub request: Py<PyDict>,
}

/// Header fields, as they came and as scopes have them.
pub struct Latest {
    /// Every byte from the first field on.
    pub bytes: Box<[u8]>,
    /// Never given away; scopes get copies.
    pub list: Py<PyList>,
}

impl Client {
    /// Of the peer itself, or of the client that its PROXY header named.
    pub fn new(
        py: Python<'_>,
        peer: &Peer,
        socket: &Arc<Socket>,
        event_loop: Py<PyAny>,
    ) -> PyResult<Client> {
        let source = match &peer.proxy {
            Some(proxy) => Some(proxy.source),
            None => peer.address,
        };
        let address = source
            .map(|address| {
                let host = address.ip().to_canonical().to_string();
                (host, address.port()).into_pyobject(py).map(Bound::unbind)
            })
            .transpose()?;
        Ok(Client {
            address,
            latest: None,
            base: None,
            presence: Presence::new(py, socket, Some(event_loop))?,
            extensions: None,
        })
    }
}
