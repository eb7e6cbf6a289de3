//! A thread that notices clients which leave while their requests run, for applications that asked.
//!
//! It has a poller of its own and runs in no loop, so it sees them also while the application keeps everything
//! else busy. It is started by the first who asks.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use oxicorn_sys::epoll::{Interest, Poller, Token};
use oxicorn_sys::ledger::Socket;
use oxicorn_sys::signals::Mask;
use slab::Slab;

/// Clients that are noticed at once.
const EVENTS: usize = 16;

/// What is watched wakes the wait; nothing else has to.
const REST: Duration = Duration::from_secs(3600);

/// Python code may run in it.
const STACK: usize = 8 * 1024 * 1024;

/// What is done about a client that has left. It runs in the lookout's thread.
pub type Notice = Box<dyn FnOnce() + Send>;

/// The thread and what it watches.
pub struct Lookout {
    shared: Arc<Shared>,
}

struct Shared {
    table: Mutex<Table>,
}

struct Table {
    poller: Poller,
    watched: Slab<Watched>,
    /// Of the last that was watched: tells those of one key apart.
    generation: u32,
    has_thread: bool,
}

struct Watched {
    generation: u32,
    /// Kept open, so that it can be taken out of the poller.
    socket: Arc<Socket>,
    notice: Notice,
}

/// A client that is watched, until this is dropped.
pub struct Watch {
    shared: Arc<Shared>,
    token: Token,
}

impl Lookout {
    /// One without a thread so far.
    ///
    /// # Errors
    ///
    /// When no descriptor is left.
    pub fn new() -> io::Result<Lookout> {
        Ok(Lookout {
            shared: Arc::new(Shared {
                table: Mutex::new(Table {
                    poller: Poller::new(1)?,
                    watched: Slab::new(),
                    generation: 0,
                    has_thread: false,
                }),
            }),
        })
    }

    /// Calls `notice` once, when the client behind `socket` has ended its side; at once if it has already. Not
    /// after the watch was dropped, unless the two meet.
    ///
    /// # Errors
    ///
    /// When the system has no thread or memory left.
    pub fn watch(&self, socket: Arc<Socket>, notice: Notice) -> io::Result<Watch> {
        let mut table = self.shared.lock();
        if !table.has_thread {
            let waiter = table.poller.share(EVENTS)?;
            start(Arc::clone(&self.shared), waiter)?;
            table.has_thread = true;
        }
        table.generation = table.generation.wrapping_add(1);
        let generation = table.generation;
        let key = table.watched.insert(Watched {
            generation,
            socket: Arc::clone(&socket),
            notice,
        });
        let token = pack(key, generation);
        let added = table.poller.add(&socket, token, Interest::PeerEnd);
        if let Err(error) = added {
            table.watched.try_remove(key);
            return Err(error);
        }
        Ok(Watch {
            shared: Arc::clone(&self.shared),
            token,
        })
    }
}

impl Shared {
    /// The state stays usable after a panic of another thread: each change of it is one operation.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, token: Token) -> Option<Notice> {
        let (key, generation) = unpack(token);
        let mut table = self.lock();
        if table.watched.get(key)?.generation != generation {
            return None;
        }
        let watched = table.watched.try_remove(key)?;
        // Under the lock: the socket may be watched again at once.
        let _ = table.poller.remove(&watched.socket);
        drop(table);
        Some(watched.notice)
    }

    fn run(&self, mut waiter: Poller) {
        while let Ok(ready) = waiter.wait(REST) {
            for index in 0..ready {
                let notice = waiter.ready(index).and_then(|event| self.end(event.token));
                if let Some(notice) = notice {
                    // One with a fault must not take the others down.
                    let _ = catch_unwind(AssertUnwindSafe(notice));
                }
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.shared.end(self.token));
    }
}

fn start(shared: Arc<Shared>, waiter: Poller) -> io::Result<()> {
    // Signals are for the threads that expect them: this one inherits a mask that blocks all.
    let mask = Mask::block_all()?;
    let spawned = thread::Builder::new()
        .name("oxicorn-lookout".to_owned())
        .stack_size(STACK)
        .spawn(move || shared.run(waiter));
    mask.restore();
    spawned.map(drop)
}

fn pack(key: usize, generation: u32) -> Token {
    Token((u64::from(generation) << 32) | (key as u64 & u64::from(u32::MAX)))
}

fn unpack(token: Token) -> (usize, u32) {
    let Token(word) = token;
    let key = usize::try_from(word & u64::from(u32::MAX)).unwrap_or(usize::MAX);
    (key, u32::try_from(word >> 32).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// Nothing that is waited for takes longer.
    const PATIENCE: Duration = Duration::from_secs(10);

    fn notice() -> (Notice, Receiver<()>) {
        let (sender, receiver) = channel();
        let notice = Box::new(move || {
            let _ = sender.send(());
        });
        (notice, receiver)
    }

    #[test]
    fn a_client_that_leaves_is_noticed_once_and_one_that_stays_is_not() {
        let lookout = Lookout::new().unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        let (stays, _client) = UnixStream::pair().unwrap();
        let (gone, has_gone) = notice();
        let (never, nobody) = notice();
        let socket = Arc::new(Socket::new(near.into()));
        let watch = lookout.watch(Arc::clone(&socket), gone).unwrap();
        let other = lookout
            .watch(Arc::new(Socket::new(stays.into())), never)
            .unwrap();
        drop(far);
        has_gone.recv_timeout(PATIENCE).unwrap();
        drop(watch);
        // And once more, for the next request of the connection: it is told at once.
        let (again, is_told) = notice();
        let _watch = lookout.watch(socket, again).unwrap();
        is_told.recv_timeout(PATIENCE).unwrap();
        assert!(nobody.try_recv().is_err());
        drop(other);
    }

    #[test]
    fn what_is_not_watched_any_more_is_not_noticed() {
        let lookout = Lookout::new().unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        let (first, is_told) = notice();
        let socket = Arc::new(Socket::new(near.into()));
        drop(lookout.watch(Arc::clone(&socket), first).unwrap());
        drop(far);
        // The thread is at work: it notices another one.
        let (second, is_told_too) = notice();
        let _watch = lookout.watch(socket, second).unwrap();
        is_told_too.recv_timeout(PATIENCE).unwrap();
        assert!(is_told.recv().is_err());
    }
}
