//! ASGI 3.0: requests become a scope and a task, what the application sends becomes a response.
//!
//! The loop is asyncio's or one that takes its place; it watches the engine's epoll descriptor, so the
//! engine's turns are callbacks of that loop ([`driver`]). A request is called as soon as its head
//! is there ([`call`]) with a [`scope`] and two [`functions`], `receive` and `send`, which are bound to
//! its [`cycle`]. What they return is awaited without a turn of the loop unless there is
//! something to wait for ([`awaitable`]).

mod awaitable;
mod busy_poll;
mod call;
mod callback;
mod client;
mod cycle;
mod departure;
mod driver;
mod endpoint;
mod events;
mod expire;
mod functions;
mod header_list;
mod message;
mod outcome;
mod request;
mod respond;
mod scope;
mod shared;
mod task;
mod watch;
mod websocket;

use pyo3::prelude::*;

/// Adds the classes of this interface.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<driver::Driver>()?;
    Ok(())
}
