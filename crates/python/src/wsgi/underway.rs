//! Requests that run outside of the loop's thread, as the access log tells of one that takes too long and
//! may never come back.

use std::sync::Arc;

use oxicorn_http::Head;
use oxicorn_worker::{Body, Late, Peer, Place, Request};

use super::access::Access;

/// What a request said, for its thread and for the loop.
#[derive(Clone, Default)]
pub struct Said {
    /// The parsed head; its spans index `bytes`.
    pub head: Head,
    /// The head as it was received.
    pub bytes: Vec<u8>,
    /// Which of the worker's listeners took the connection.
    pub listener: usize,
    /// 1 for the first request of a connection.
    pub number: u32,
}

impl Said {
    /// Takes a request's words over.
    pub fn fill(&mut self, request: &Request<'_>) {
        self.head.clone_from(request.head);
        self.bytes.clear();
        self.bytes.extend_from_slice(request.bytes);
        self.listener = request.listener;
        self.number = request.number;
    }

    /// The request again, with a body that is kept elsewhere.
    pub fn request<'a>(&'a self, body: Body<'a>) -> Request<'a> {
        Request {
            head: &self.head,
            bytes: &self.bytes,
            body,
            listener: self.listener,
            number: self.number,
        }
    }
}

/// By the number of their seat: the requests that run elsewhere.
#[derive(Default)]
pub struct Underway(Vec<Option<Entry>>);

/// A seat's.
struct Entry {
    /// Kept after the request: the next one is most likely of the same peer.
    place: Place,
    peer: Peer,
    /// `None` between two requests.
    said: Option<Arc<Said>>,
}

impl Underway {
    /// A request leaves.
    #[inline]
    pub fn note(&mut self, place: Place, peer: &Peer, said: &Arc<Said>) {
        let said = Some(Arc::clone(said));
        let index = place.index();
        match self.0.get_mut(index) {
            Some(Some(entry)) if entry.place == place => entry.said = said,
            _ => self.seat(
                index,
                Entry {
                    place,
                    peer: peer.clone(),
                    said,
                },
            ),
        }
    }

    #[cold]
    fn seat(&mut self, index: usize, entry: Entry) {
        if self.0.len() <= index {
            self.0.resize_with(index.saturating_add(1), || None);
        }
        if let Some(seat) = self.0.get_mut(index) {
            *seat = Some(entry);
        }
    }

    /// It is back. Its connection may have sent the next one already.
    #[inline]
    pub fn forget(&mut self, place: Place, said: &Arc<Said>) {
        if let Some(Some(entry)) = self.0.get_mut(place.index())
            && entry
                .said
                .as_ref()
                .is_some_and(|known| Arc::ptr_eq(known, said))
        {
            entry.said = None;
        }
    }

    /// The watchdog has answered one: its line. What runs it tells none.
    pub fn tell(&self, late: Late, access: &mut Access<'_>) {
        if let Some(Some(entry)) = self.0.get(late.place.index())
            && entry.place == late.place
            && let Some(said) = &entry.said
        {
            access.overdue(late.began, &said.request(Body::Memory(b"")), &entry.peer);
        }
    }
}
