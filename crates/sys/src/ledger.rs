//! Where each connection of this process stands, in memory that outlives it.
//!
//! One byte for each descriptor, shared with the process's keeper ([`crate::keeper`]), which reads them once this
//! process is dead: a connection that rests can go on elsewhere, one that has asked is answered, one whose answer
//! has begun is left alone.
//!
//! ```text
//!             something is received           something is sent
//! Resting ───────────────────────────▶ Asked ───────────────────▶ Begun
//!    ▲  ▲                               │  ▲   the next request    │
//!    │  │        all is sent in one go  │  └───────────────────────┤
//!    │  └──────────── Ending ◀──────────┘                          │
//!    └─────────────────────────────────────────────────────────────┘
//!                    all is sent, nothing has come
//! ```
//!
//! Each step is noted before it is taken, by [`crate::stream`] itself where bytes go in or out, so that a process that
//! dies in between never leaves behind more than it can answer for. A byte has one writer at a time: who holds the
//! connection. Before [`open`] there is no ledger and all this does nothing.
//!
//! Who dies in Ending has sent its answer, but for a few instructions before the system call; so such a connection goes
//! on elsewhere like a new one, which is closed soon if nothing comes. A 1xx response leads to Begun and, when it is sent,
//! back to Asked.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use rustix::process::{Resource, getrlimit};

/// Descriptors beyond that many are not in the ledger.
const LONGEST: u64 = 1 << 20;

/// Listeners that can be told apart. Connections of others do not go on elsewhere.
const LISTENERS: usize = 8;

const STANDING: u8 = 0b111;
const RESTING: u8 = 1;
const ASKED: u8 = 2;
const BEGUN: u8 = 3;
const ENDING: u8 = 4;
/// It has made requests before.
const KEPT: u8 = 0b1000;
/// Something has been received that belongs to the next request.
const BEHIND: u8 = 0b1_0000;
const LISTENER_SHIFT: u32 = 5;

/// What a socket takes in one go where nothing else waits in it.
const ONE_GO: usize = 16 * 1024;

static LEDGER: OnceLock<Ledger> = OnceLock::new();

/// The ledger of this process, or of the one that it keeps.
pub(crate) struct Ledger {
    cover: &'static Cover,
    entries: &'static [AtomicU8],
}

/// What is the same for all connections.
#[repr(C)]
struct Cover {
    /// Highest descriptor that ever was a connection.
    highest: AtomicU32,
    /// Other workers take connections over.
    is_shared: AtomicBool,
    in_preface: AtomicBool,
    listeners: [AtomicU64; LISTENERS],
}

/// How a connection was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing has come since its last response: another process can go on with it.
    Resting(Orphan),
    /// Something has come, and nothing was answered.
    Asked,
    /// Its answer has begun, or nobody can go on with it.
    Begun,
}

/// A connection that rests, and whose process is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// Which listener took it; see [`crate::listen::identity`].
    pub listener: u64,
    /// It has made requests before.
    pub is_kept: bool,
    /// A PROXY header may still come.
    pub in_preface: bool,
}

/// Opens the ledger of this process. A second call changes nothing.
///
/// # Errors
///
/// When there is no memory for it.
pub(crate) fn open() -> io::Result<&'static Ledger> {
    if let Some(ledger) = LEDGER.get() {
        return Ok(ledger);
    }
    let most = getrlimit(Resource::Nofile).current.unwrap_or(LONGEST);
    let entries = usize::try_from(most.min(LONGEST)).unwrap_or_default();
    let length = size_of::<Cover>()
        .checked_add(entries)
        .ok_or(io::ErrorKind::OutOfMemory)?;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice aliases nothing.
    let start = unsafe {
        mmap_anonymous(
            std::ptr::null_mut(),
            length,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED | MapFlags::NORESERVE,
        )
    }?
    .cast::<Cover>();
    debug_assert!(start.is_aligned());
    // SAFETY: the mapping is page aligned, so aligned for Cover, `length` bytes long, zeroed (every field is an atomic
    // integer or bool, for which zero is valid) and never unmapped. Only shared references are made, and all
    // mutation goes through atomics.
    let cover = unsafe { &*start };
    // SAFETY: as above, for the rest of the mapping: `entries` bytes follow the cover.
    let entries = unsafe { std::slice::from_raw_parts(start.add(1).cast::<AtomicU8>(), entries) };
    Ok(LEDGER.get_or_init(|| Ledger { cover, entries }))
}

/// Other workers may take over connections that rest. `listeners` are the identities of those of this worker, in its
/// order; `in_preface`: new connections may begin with a PROXY header.
pub fn share(listeners: &[u64], in_preface: bool) {
    if let Some(Ledger { cover, .. }) = LEDGER.get() {
        for (slot, identity) in cover.listeners.iter().zip(listeners) {
            slot.store(*identity, Relaxed);
        }
        cover.in_preface.store(in_preface, Relaxed);
        cover.is_shared.store(true, Release);
    }
}

/// Something is about to be received.
#[inline]
pub(crate) fn note_receiving(socket: BorrowedFd<'_>) {
    if let Some(entry) = entry(socket) {
        let byte = entry.load(Relaxed);
        if matches!(byte & STANDING, RESTING | ENDING) {
            entry.store(ASKED, Release);
        }
    }
}

/// Something is about to be sent.
#[inline]
pub(crate) fn note_sending(socket: BorrowedFd<'_>) {
    if let Some(entry) = entry(socket) {
        let byte = entry.load(Relaxed);
        // What is not in the ledger is no connection.
        if byte & STANDING != 0 {
            entry.store(byte & !STANDING | BEGUN, Release);
        }
    }
}

#[inline]
fn entry(socket: BorrowedFd<'_>) -> Option<&'static AtomicU8> {
    let number = usize::try_from(socket.as_raw_fd()).ok()?;
    LEDGER.get()?.entries.get(number)
}

impl Ledger {
    /// Other workers take connections over.
    pub fn is_shared(&self) -> bool {
        self.cover.is_shared.load(Acquire)
    }

    /// Descriptors above it are no connections.
    pub fn highest(&self) -> u32 {
        self.cover.highest.load(Acquire)
    }

    /// How the connection with this descriptor was left; `None`: it is none.
    pub fn left(&self, descriptor: u32) -> Option<Left> {
        let byte = self.entries.get(descriptor as usize)?.load(Acquire);
        match byte & STANDING {
            standing @ (RESTING | ENDING) => {
                let is_kept = byte & KEPT != 0;
                let listener = self
                    .cover
                    .listeners
                    .get(usize::from(byte >> LISTENER_SHIFT))?;
                Some(Left::Resting(Orphan {
                    listener: listener.load(Relaxed),
                    is_kept,
                    in_preface: standing == RESTING
                        && !is_kept
                        && self.cover.in_preface.load(Relaxed),
                }))
            }
            ASKED => Some(Left::Asked),
            BEGUN => Some(Left::Begun),
            _ => None,
        }
    }
}

/// The socket of a connection, which the ledger knows until it is closed.
#[derive(Debug)]
pub struct Socket(OwnedFd);

/// What the ledger said of a connection that is about to leave this process.
#[derive(Clone, Copy)]
pub struct Entry(u8);

impl Socket {
    /// Of a connection with which nobody else could go on as yet.
    pub fn new(socket: OwnedFd) -> Socket {
        let socket = Socket(socket);
        if let Some(entry) = socket.entry() {
            entry.store(BEGUN, Release);
            if let (Some(Ledger { cover, .. }), Ok(number)) =
                (LEDGER.get(), u32::try_from(socket.0.as_raw_fd()))
            {
                cover.highest.fetch_max(number, Release);
            }
        }
        socket
    }

    /// Nothing has come since its last response, which is all sent; `listener` is the number of the one that took it.
    #[inline]
    pub fn rests(&self, listener: usize, is_kept: bool) {
        if let Some(entry) = self.entry() {
            let kept = if is_kept { KEPT } else { 0 };
            entry.store(of_listener(RESTING | kept, listener), Release);
        }
    }

    /// Something has come, and all that was sent before is over. `has_behind`: so has something of the request after it.
    #[inline]
    pub fn asks(&self, has_behind: bool) {
        if let Some(entry) = self.entry() {
            let behind = if has_behind { BEHIND } else { 0 };
            entry.store(ASKED | behind, Release);
        }
    }

    /// Nothing of its answer is sent.
    pub fn is_asking(&self) -> bool {
        self.entry()
            .is_some_and(|entry| entry.load(Relaxed) & STANDING == ASKED)
    }

    /// What was sent while it asked was no answer, and all of it has gone out.
    pub fn still_asks(&self) {
        if let Some(entry) = self.entry() {
            entry.store(entry.load(Relaxed) & !STANDING | ASKED, Release);
        }
    }

    /// Something has come that belongs to the next request.
    #[inline]
    pub fn keeps_behind(&self) {
        if let Some(entry) = self.entry() {
            entry.store(entry.load(Relaxed) | BEHIND, Release);
        }
    }

    /// So many bytes are about to be sent, and with them its answer is complete.
    #[inline]
    pub(crate) fn ends(&self, listener: usize, bytes: usize) {
        if let Some(entry) = self.entry() {
            let byte = entry.load(Relaxed);
            let byte = if byte & BEHIND == 0 && bytes <= ONE_GO {
                of_listener(ENDING, listener)
            } else {
                byte & !STANDING | BEGUN
            };
            entry.store(byte, Release);
        }
    }

    /// Its answer begins, or is no affair of ours.
    pub fn answers(&self) {
        note_sending(self.as_fd());
    }

    /// It is about to be another process's.
    pub fn leave(&self) -> Entry {
        Entry(self.entry().map_or(0, |entry| entry.swap(0, Release)))
    }

    /// It has not become another process's.
    pub fn stay(&self, before: Entry) {
        if let Some(entry) = self.entry() {
            entry.store(before.0, Release);
        }
    }

    #[inline]
    fn entry(&self) -> Option<&'static AtomicU8> {
        entry(self.0.as_fd())
    }
}

/// The entry of a connection with which somebody else could go on, if they knew its listener.
#[inline]
fn of_listener(byte: u8, listener: usize) -> u8 {
    match u8::try_from(listener) {
        Ok(listener) if usize::from(listener) < LISTENERS => byte | listener << LISTENER_SHIFT,
        _ => BEGUN,
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Before it is closed: then the number may be anything's.
        if let Some(entry) = self.entry() {
            entry.store(0, Release);
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::stream::{self, Progress};

    /// The ledger is the process's, and so its tests share it: none looks at descriptors of another.
    #[test]
    fn a_connection_is_left_as_its_last_bytes_say() {
        let ledger = open().unwrap();
        share(&[7, 8], false);
        let (client, server) = UnixStream::pair().unwrap();
        server.set_nonblocking(true).unwrap();
        let socket = Socket::new(server.into());
        let number = socket.as_raw_fd().unsigned_abs();
        let left = || ledger.left(number);
        assert!(ledger.highest() >= number);
        assert_eq!(left(), Some(Left::Begun));

        let resting = |is_kept| {
            Left::Resting(Orphan {
                listener: 8,
                is_kept,
                in_preface: false,
            })
        };
        socket.rests(1, false);
        assert_eq!(left(), Some(resting(false)));
        assert_eq!(stream::receive(&socket, &mut [0]), Progress::WouldBlock);
        assert_eq!(left(), Some(Left::Asked), "something may have been read");
        socket.rests(1, true);
        assert_eq!(left(), Some(resting(true)));
        socket.asks(false);
        assert_eq!(left(), Some(Left::Asked));
        assert_eq!(stream::send(&socket, b"x"), Progress::Bytes(1));
        assert_eq!(left(), Some(Left::Begun));
        stream::receive(&socket, &mut [0]);
        assert_eq!(left(), Some(Left::Begun), "not asked, but in the middle");
        socket.asks(false);
        assert_eq!(left(), Some(Left::Asked), "the next request");
        stream::send(&socket, b"100");
        assert!(!socket.is_asking());
        socket.still_asks();
        assert!(socket.is_asking(), "that was no answer");
        assert_eq!(stream::send_answer(&socket, 1, b"x"), Progress::Bytes(1));
        assert_eq!(left(), Some(resting(false)), "like a new one");
        stream::receive(&socket, &mut [0]);
        assert_eq!(left(), Some(Left::Asked));
        socket.asks(true);
        stream::send(&socket, b"100");
        socket.still_asks();
        stream::send_answer(&socket, 1, b"x");
        assert_eq!(left(), Some(Left::Begun), "what came behind is lost");
        socket.asks(false);
        let large = vec![0; 8 << 20];
        assert!(stream::send_answer(&socket, 1, &large) != Progress::Bytes(large.len()));
        assert_eq!(left(), Some(Left::Begun), "it is not all sent");

        socket.rests(LISTENERS, true);
        assert_eq!(left(), Some(Left::Begun), "of a listener without a name");
        socket.rests(1, true);
        let entry = socket.leave();
        assert_eq!(left(), None);
        socket.stay(entry);
        assert_eq!(left(), Some(resting(true)));
        drop(socket);
        assert_eq!(left(), None);
        // What is no connection stays out of it.
        assert_eq!(stream::send(&client, b"x"), Progress::Ended);
        assert_eq!(ledger.left(client.as_raw_fd().unsigned_abs()), None);
    }
}
