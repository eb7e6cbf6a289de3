//! A request on its way through the threads, with memory that is used again and again.

use std::fs::File;
use std::sync::Arc;

use oxicorn_http::BodyLength;
use oxicorn_worker::clock::Moment;
use oxicorn_worker::{Body, Exchange, Place, Recalled, Request};

use crate::wsgi::{Client, Said, Underway, Wsgi};

/// Larger buffers are not kept for the next request.
const KEPT: usize = 64 * 1024;

/// A larger request is not sent to another worker.
const MOVED: usize = 48 * 1024;

/// A request, and later its response.
#[derive(Default)]
pub struct Job {
    said: Arc<Said>,
    body: Vec<u8>,
    /// The body, where it did not go into memory.
    file: Option<(File, u64)>,
    /// Its connection's seat.
    pub place: Place,
    /// `None` after the call if it got lost.
    pub exchange: Option<Exchange<Client>>,
    /// How long the call took, in microseconds.
    pub call: u64,
    /// What its thread waited for the interpreter before it, in microseconds.
    pub waited: u64,
    is_abandoned: bool,
}

impl Job {
    /// Takes a request over.
    pub fn fill(&mut self, request: Request<'_>, exchange: Exchange<Client>) {
        // A copy of what the loop still has of the last one, if any.
        Arc::make_mut(&mut self.said).fill(&request);
        match request.body {
            Body::Memory(bytes) => self.body.extend_from_slice(bytes),
            Body::File { file, length } => self.file = Some((file, length)),
        }
        self.place = exchange.place();
        self.exchange = Some(exchange);
    }

    /// Calls the application.
    pub fn run(&mut self, wsgi: &mut Wsgi<'_>) {
        let Some(exchange) = self.exchange.take() else {
            return;
        };
        let body = match self.file.take() {
            Some((file, length)) => Body::File { file, length },
            None => Body::Memory(&self.body),
        };
        self.exchange = wsgi.run(self.said.request(body), exchange);
    }

    /// Whether it is not to be run at all: it waited, until `now`, and its client has left.
    pub fn is_abandoned(&mut self, now: Moment) -> bool {
        let exchange = self.exchange.as_mut();
        self.is_abandoned = exchange.is_some_and(|exchange| exchange.is_abandoned(now));
        self.is_abandoned
    }

    /// What was not run, and how it began.
    pub fn take_abandoned(&mut self) -> Option<(Exchange<Client>, &[u8])> {
        let exchange = self.exchange.take_if(|_| self.is_abandoned)?;
        Some((exchange, &self.said.bytes))
    }

    /// Takes the request back, as the client sent it. `None` where that cannot be told any more.
    pub fn recall(&mut self) -> Option<Recalled<Client>> {
        let head = &self.said.head;
        let length = self.said.bytes.len().saturating_add(self.body.len());
        let is_as_sent = self.file.is_none()
            && !matches!(head.body, BodyLength::Chunked)
            // The client has been told to go on, and would be once more.
            && !head.expect_continue
            && length <= MOVED;
        let exchange = self
            .exchange
            .take_if(|exchange| is_as_sent && exchange.reserve())?;
        Some(Recalled {
            exchange,
            message: [self.said.bytes.as_slice(), &self.body].concat(),
        })
    }

    /// Has the loop know of it.
    pub fn note(&self, underway: &mut Underway) {
        if let Some(exchange) = &self.exchange {
            underway.note(self.place, exchange.peer(), &self.said);
        }
    }

    /// Has it forget.
    pub fn forget(&self, underway: &mut Underway) {
        underway.forget(self.place, &self.said);
    }

    /// Sends what was to wait for the responses of others.
    pub fn send_now(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.send_now();
        }
    }

    /// Forgets the request, and memory that was for a large one.
    pub fn clear(&mut self) {
        self.is_abandoned = false;
        self.body.clear();
        self.file = None;
        let Some(said) = Arc::get_mut(&mut self.said) else {
            return self.said = Arc::default();
        };
        said.head.clear();
        for buffer in [&mut said.bytes, &mut self.body] {
            if buffer.capacity() > KEPT {
                *buffer = Vec::new();
            }
        }
    }
}
