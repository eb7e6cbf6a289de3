//! Whether a request opens a WebSocket, and how its scope differs from that of other requests.

use std::time::Duration;

use oxicorn_config::Config;
use oxicorn_http::{BodyLength, Version};
use oxicorn_websocket::handshake::{self, Head, Opening, Refusal};
use oxicorn_websocket::{Options, Windows};
use oxicorn_worker::Request;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// What an operator can set.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Limits of the protocol.
    pub options: Options,
    /// Compression, where clients offer it.
    pub windows: Option<Windows>,
    /// The silence after which a client is pinged.
    pub ping_interval: Option<Duration>,
    /// The silence after that, which ends the connection.
    pub ping_timeout: Option<Duration>,
}

impl Settings {
    /// Zero turns a limit off.
    pub fn of(config: &Config) -> Settings {
        let seconds = |number: u64| (number > 0).then(|| Duration::from_secs(number));
        let max_message_size = match config.websocket_max_message_size {
            0 => usize::MAX,
            size => usize::try_from(size).unwrap_or(usize::MAX),
        };
        Settings {
            options: Options { max_message_size },
            windows: config.websocket_compression.then(Windows::default),
            ping_interval: seconds(config.websocket_ping_interval),
            ping_timeout: seconds(config.websocket_ping_timeout),
        }
    }
}

/// What a request wants that opens a WebSocket; `None` for one like any other.
pub fn open(request: &Request<'_>, settings: &Settings) -> Result<Option<Opening>, Refusal> {
    let Request { head, bytes, .. } = request;
    let fields = head
        .fields
        .iter()
        .map(|field| (head.name(bytes, field), head.value(bytes, field)));
    let opening = Head {
        method: head.method(bytes),
        at_least_http_11: head.version >= Version::HTTP_11,
        has_body: !matches!(head.body, BodyLength::None | BodyLength::Known(0)),
        fields,
    };
    handshake::read(&opening, settings.windows)
}

/// The answer to a handshake that is refused.
pub fn refusal_answer(refusal: Refusal) -> Vec<u8> {
    let text = format!("{refusal}\n");
    let (line, more) = match refusal {
        Refusal::Version => ("426 Upgrade Required", "Sec-WebSocket-Version: 13\r\n"),
        _ => ("400 Bad Request", ""),
    };
    format!(
        "HTTP/1.1 {line}\r\nConnection: close\r\n{more}Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\n\r\n{text}",
        text.len()
    )
    .into_bytes()
}

/// Makes the scope of a request that of a WebSocket.
pub fn adapt(scope: &Bound<'_, PyDict>, opening: &Opening) -> PyResult<()> {
    let py = scope.py();
    let scheme = scope.get_item(intern!(py, "scheme"))?;
    let is_secure = scheme.is_some_and(|scheme| {
        scheme
            .extract::<&str>()
            .is_ok_and(|scheme| scheme == "https")
    });
    scope.set_item(intern!(py, "type"), intern!(py, "websocket"))?;
    scope.set_item(intern!(py, "scheme"), if is_secure { "wss" } else { "ws" })?;
    let subprotocols = PyList::new(py, &opening.subprotocols)?;
    scope.set_item(intern!(py, "subprotocols"), subprotocols)?;
    let extensions = PyDict::new(py);
    extensions.set_item(intern!(py, "websocket.http.response"), PyDict::new(py))?;
    scope.set_item(intern!(py, "extensions"), extensions)?;
    scope.del_item(intern!(py, "method"))
}
