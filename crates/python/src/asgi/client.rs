//! What is kept with a connection from request to request.

use oxicorn_worker::Peer;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

/// A connection's values for scopes.
pub struct Client {
    /// Host and port; `None` on unix sockets.
    pub address: Option<Py<PyTuple>>,
    /// The header fields of the latest request: a client sends most of them again and again.
    pub latest: Option<Latest>,
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
    pub fn new(py: Python<'_>, peer: &Peer) -> PyResult<Client> {
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
        })
    }
}
