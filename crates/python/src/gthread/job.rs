//! A request on its way through the threads, with memory that is used again and again.

use std::fs::File;

use oxicorn_http::Head;
use oxicorn_worker::{Body, Exchange, Place, Request};

use crate::wsgi::{Client, Wsgi};

/// Larger buffers are not kept for the next request.
const KEPT: usize = 64 * 1024;

/// A request, and later its response.
#[derive(Default)]
pub struct Job {
    head: Head,
    bytes: Vec<u8>,
    body: Vec<u8>,
    /// The body, where it did not go into memory.
    file: Option<(File, u64)>,
    listener: usize,
    number: u32,
    /// Its connection's seat.
    pub place: Place,
    /// `None` after the call if it got lost.
    pub exchange: Option<Exchange<Client>>,
    /// How long the call took, in microseconds.
    pub call: u64,
    /// What its thread waited for the interpreter before it, in microseconds.
    pub waited: u64,
}

impl Job {
    /// Takes a request over.
    pub fn fill(&mut self, request: Request<'_>, exchange: Exchange<Client>) {
        self.head.clone_from(request.head);
        self.bytes.clear();
        self.bytes.extend_from_slice(request.bytes);
        match request.body {
            Body::Memory(bytes) => self.body.extend_from_slice(bytes),
            Body::File { file, length } => self.file = Some((file, length)),
        }
        self.listener = request.listener;
        self.number = request.number;
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
        let request = Request {
            head: &self.head,
            bytes: &self.bytes,
            body,
            listener: self.listener,
            number: self.number,
        };
        self.exchange = wsgi.run(request, exchange);
    }

    /// Sends what was to wait for the responses of others.
    pub fn send_now(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.send_now();
        }
    }

    /// Forgets the request, and memory that was for a large one.
    pub fn clear(&mut self) {
        self.head.clear();
        self.body.clear();
        self.file = None;
        for buffer in [&mut self.bytes, &mut self.body] {
            if buffer.capacity() > KEPT {
                *buffer = Vec::new();
            }
        }
    }
}
