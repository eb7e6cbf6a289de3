//! A connection that was handed over for another protocol (RFC 9110 §7.8).

use std::sync::Arc;

use oxicorn_sys::ledger::Socket;
use oxicorn_sys::stream::{self, Progress};

use crate::connection::{Connection, Peer, Place};
use crate::exchange::Gone;
use crate::pace::LEAP;

/// The sending side of such a connection. What is received goes to
/// [`Application::arrived`](crate::Application::arrived).
pub struct Raw<C> {
    connection: Box<Connection<C>>,
    bytes_sent: u64,
    is_gone: bool,
}

impl<C> Raw<C> {
    pub(crate) fn new(connection: Box<Connection<C>>, bytes_sent: u64, is_gone: bool) -> Raw<C> {
        Raw {
            connection,
            bytes_sent,
            is_gone,
        }
    }

    /// The seat to give it back to.
    pub fn place(&self) -> Place {
        self.connection.place
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.connection.peer
    }

    /// What the application keeps with the connection.
    pub fn client(&mut self) -> &mut Option<C> {
        &mut self.connection.client
    }

    /// The connection's socket.
    pub fn socket(&self) -> &Arc<Socket> {
        &self.connection.socket
    }

    /// Sends `data`, behind what waits already. What the socket does not take now waits, and
    /// [`Engine::want_room`](crate::Engine::want_room) has to be asked to tell of room.
    ///
    /// # Errors
    ///
    /// When the client is gone, or what waits could not be stored.
    pub fn send(&mut self, data: &[u8]) -> Result<(), Gone> {
        if !self.connection.output.is_empty() {
            self.send_waiting()?;
        }
        let mut sent = 0;
        if self.connection.output.is_empty() && !data.is_empty() && !self.is_gone {
            match stream::send(&self.connection.socket, data) {
                Progress::Bytes(bytes) => sent = bytes,
                Progress::WouldBlock => {}
                Progress::Ended => self.is_gone = true,
            }
        }
        self.bytes_sent = self.bytes_sent.saturating_add(sent as u64);
        let rest = data.get(sent..).unwrap_or_default();
        if self.is_gone || self.connection.output.push(rest).is_err() {
            self.is_gone = true;
            return Err(Gone);
        }
        Ok(())
    }

    /// Sends what waits, as far as the socket takes it; true if all of it went.
    ///
    /// # Errors
    ///
    /// When the client is gone.
    pub fn send_waiting(&mut self) -> Result<bool, Gone> {
        let (progress, sent) = self.connection.output.send(&self.connection.socket, LEAP);
        self.bytes_sent = self.bytes_sent.saturating_add(sent as u64);
        match progress {
            Progress::Bytes(_) => Ok(true),
            Progress::WouldBlock => Ok(false),
            Progress::Ended => {
                self.is_gone = true;
                Err(Gone)
            }
        }
    }

    /// Bytes that wait.
    pub fn unsent(&self) -> u64 {
        self.connection.output.unsent()
    }

    pub(crate) fn into_parts(self) -> (Box<Connection<C>>, u64) {
        (self.connection, self.bytes_sent)
    }
}
