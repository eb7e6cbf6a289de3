//! What the loop wants to know; made from the settings by whoever starts it.

use std::path::PathBuf;
use std::time::Duration;

use oxicorn_http::proxy;
use oxicorn_http::trust::Networks;

use crate::queue::Queue;
use crate::retire::Limits;

/// How a worker serves.
pub struct Options {
    /// The parser's limits and switches.
    pub http: oxicorn_http::Options,
    /// How long an idle connection is kept for its next request; zero: never.
    pub keepalive: Duration,
    /// From the accept, or the first byte of a later request, to the end of the head.
    pub head_timeout: Duration,
    /// How often deadlines are looked at, and the worker's heartbeat.
    pub tick: Duration,
    /// How long a draining worker goes on with what it has.
    pub graceful_timeout: Duration,
    /// How long a draining worker waits for connections without a request.
    pub first_byte_timeout: Duration,
    /// What the worker may reach before it asks to be replaced.
    pub limits: Limits,
    /// Connections that may be open at once; the longest idle one makes room for a new one.
    pub connections: usize,
    /// How long a request may take.
    pub timeout: Option<Duration>,
    /// Limits of what waits.
    pub queue: Queue,
    /// Whether other workers accept from the same listeners: then one connection a turn is
    /// taken, so that a batch does not wait here while a sibling is idle.
    pub has_siblings: bool,
    /// Which PROXY protocol headers are looked for.
    pub proxy_protocol: proxy::Mode,
    /// Who may send a PROXY header.
    pub proxy_allow: Networks,
    /// Whose scheme and script-name fields are believed.
    pub forwarded_allow: Networks,
    /// Where bodies and responses go that do not fit into memory.
    pub upload_directory: PathBuf,
}
