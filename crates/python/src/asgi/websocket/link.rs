//! The connection of a WebSocket, before and after its handshake.

use oxicorn_worker::{Exchange, Gone, Raw};

use crate::asgi::client::Client;

/// Who holds the connection.
pub enum Link {
    /// A request that can still be answered as any other. What a call sends before it has left the
    /// engine goes through here as well.
    Exchange(Box<Exchange<Client>>),
    /// It was handed over.
    Raw(Box<Raw<Client>>),
    /// Given back.
    Gone,
}

impl Link {
    /// Sends `data` as it is, or keeps what the client does not take yet.
    pub fn send(&mut self, data: &[u8]) -> Result<(), Gone> {
        match self {
            Link::Exchange(exchange) => exchange.send_raw(data),
            Link::Raw(raw) => raw.send(data),
            Link::Gone => Err(Gone),
        }
    }

    /// Sends what waits; true if all of it went.
    pub fn send_waiting(&mut self) -> Result<bool, Gone> {
        match self {
            Link::Exchange(exchange) => exchange.send_waiting(),
            Link::Raw(raw) => raw.send_waiting(),
            Link::Gone => Err(Gone),
        }
    }

    /// Bytes that wait for the client.
    pub fn unsent(&self) -> u64 {
        match self {
            Link::Exchange(exchange) => exchange.unsent(),
            Link::Raw(raw) => raw.unsent(),
            Link::Gone => 0,
        }
    }

    /// The request, if it has not become anything else.
    pub fn exchange(&mut self) -> Option<&mut Exchange<Client>> {
        match self {
            Link::Exchange(exchange) => Some(exchange),
            Link::Raw(_) | Link::Gone => None,
        }
    }

    /// The request becomes a raw connection.
    pub fn hand_over(&mut self) {
        *self = match std::mem::replace(self, Link::Gone) {
            Link::Exchange(exchange) => Link::Raw(Box::new(exchange.into_raw())),
            other => other,
        };
    }
}
