//! Readiness: a level-triggered epoll instance whose entries carry a [`Token`].
//!
//! Level-triggered and armed once a connection: edge-triggered epoll and re-arming were measured
//! and saved nothing.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// What an entry was registered with; comes back with each event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(pub u64);

/// What a descriptor is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Only errors and hang-ups, which epoll always reports.
    Nothing,
    /// Bytes, or the end of the stream.
    Readable,
    /// Room in the send buffer.
    Writable,
    /// Both of them.
    ReadableOrWritable,
    /// That the peer has ended its side, whatever it sent before.
    PeerEnd,
    /// Room in the send buffer, or that the peer has ended its side.
    WritableOrPeerEnd,
}

impl Interest {
    fn flags(self) -> EventFlags {
        match self {
            Interest::Nothing => EventFlags::empty(),
            Interest::Readable => EventFlags::IN,
            Interest::Writable => EventFlags::OUT,
            Interest::ReadableOrWritable => EventFlags::IN | EventFlags::OUT,
            Interest::PeerEnd => EventFlags::RDHUP,
            Interest::WritableOrPeerEnd => EventFlags::OUT | EventFlags::RDHUP,
        }
    }
}

/// One thing that epoll reported.
#[derive(Clone, Copy, Debug)]
pub struct Readiness {
    /// Of the entry that is ready.
    pub token: Token,
    /// There are bytes to read, or the peer ended its side.
    pub readable: bool,
    /// The send buffer has room again.
    pub writable: bool,
    /// The peer has ended its side; only told where that was asked for.
    pub peer_ended: bool,
    /// Both sides are gone (`EPOLLHUP` or `EPOLLERR`).
    pub hung_up: bool,
}

/// An epoll instance and the storage for its events.
pub struct Poller {
    epoll: Arc<OwnedFd>,
    /// Without room while a [`Waiter`] has the storage.
    events: Events,
}

/// The part of a [`Poller`] that waits. One thread can wait with it while others change what is
/// watched.
pub struct Waiter {
    epoll: Arc<OwnedFd>,
    events: Events,
}

#[derive(Default)]
struct Events(Vec<epoll::Event>);

// SAFETY: an event's data is a union with a pointer in it, which alone keeps `Events` from being sent;
// only its integer is ever written or read.
unsafe impl Send for Events {}

impl Poller {
    /// Makes an instance that reports at most `events` entries a call.
    pub fn new(events: usize) -> io::Result<Poller> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Poller {
            epoll: Arc::new(epoll),
            events: Events(Vec::with_capacity(events.max(1))),
        })
    }

    /// The same instance with a storage of its own, for another thread.
    pub fn share(&self, events: usize) -> io::Result<Poller> {
        Ok(Poller {
            epoll: Arc::clone(&self.epoll),
            events: Events(Vec::with_capacity(events.max(1))),
        })
    }

    /// Starts to watch `source`.
    pub fn add(&self, source: impl AsFd, token: Token, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(
            &self.epoll,
            source,
            EventData::new_u64(token.0),
            interest.flags(),
        )?)
    }

    /// Starts to watch a listener that other processes watch too: a new connection wakes one of
    /// them instead of all (`EPOLLEXCLUSIVE`).
    pub fn add_shared(&self, source: impl AsFd, token: Token) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::EXCLUSIVE;
        Ok(epoll::add(
            &self.epoll,
            source,
            EventData::new_u64(token.0),
            flags,
        )?)
    }

    /// Changes what `source` is watched for.
    pub fn modify(&self, source: impl AsFd, token: Token, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(
            &self.epoll,
            source,
            EventData::new_u64(token.0),
            interest.flags(),
        )?)
    }

    /// Stops to watch `source`.
    pub fn remove(&self, source: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, source)?)
    }

    /// Waits until something is ready, at most `timeout`; an interrupted wait reports nothing, and so does
    /// one while a [`Waiter`] is lent.
    ///
    /// Returns how many entries [`Poller::ready`] will give.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<usize> {
        self.events.wait(&self.epoll, timeout)
    }

    /// Lends the part that waits.
    pub fn lend(&mut self) -> Waiter {
        Waiter {
            epoll: Arc::clone(&self.epoll),
            events: std::mem::take(&mut self.events),
        }
    }

    /// Takes it back, with what it found.
    pub fn take_back(&mut self, waiter: Waiter) {
        self.events = waiter.events;
    }

    /// The `index`th entry of the last wait.
    pub fn ready(&self, index: usize) -> Option<Readiness> {
        let event = self.events.0.get(index)?;
        let flags = event.flags;
        Some(Readiness {
            token: Token(event.data.u64()),
            readable: flags.contains(EventFlags::IN),
            writable: flags.contains(EventFlags::OUT),
            peer_ended: flags.contains(EventFlags::RDHUP),
            hung_up: flags.intersects(EventFlags::HUP | EventFlags::ERR),
        })
    }
}

impl Waiter {
    /// As [`Poller::wait`].
    pub fn wait(&mut self, timeout: Duration) -> io::Result<usize> {
        self.events.wait(&self.epoll, timeout)
    }
}

impl Events {
    fn wait(&mut self, epoll: &OwnedFd, timeout: Duration) -> io::Result<usize> {
        self.0.clear();
        if self.0.capacity() == 0 {
            return Ok(0);
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        match epoll::wait(
            epoll,
            rustix::buffer::spare_capacity(&mut self.0),
            Some(&timeout),
        ) {
            Ok(ready) => Ok(ready),
            Err(rustix::io::Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
