//! WebSockets (ASGI 3.0): a request that opens one becomes a scope and a task, messages go both ways.
//!
//! The protocol is [`oxicorn_websocket`]'s. A [`socket`] holds it together with the connection:
//! before the application accepts, that is the exchange of a request, which can still be answered as
//! any other; after that it is the raw connection. What the application does is in [`apply`], what
//! the client does in [`inbound`], what time does in [`upkeep`], and the engine's side in [`call`].

mod apply;
mod call;
mod inbound;
mod link;
mod opening;
mod socket;
mod upkeep;

pub use call::leave_all;
pub use opening::{Settings, open};
pub use socket::Socket;
