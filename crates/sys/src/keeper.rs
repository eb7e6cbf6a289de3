//! The keeper: a process beside a worker that holds its descriptors when it is killed.
//!
//! SIGKILL leaves a process no time for last words, and with it go its descriptors. Unless another process has the
//! same table of them: clone(2) with `CLONE_FILES`, and without sharing anything else, so that neither the kernel's
//! out-of-memory killer nor a fault takes the two for one. Whatever the worker opens and closes is open and closed for
//! both, so nothing is duplicated, nothing is to be kept up to date, and a connection ends for its client when the
//! worker ends it. The keeper sleeps all its life.
//!
//! When the worker is dead the ledger ([`crate::ledger`]) says how each connection was left. The keeper answers what
//! was asked, unless the worker's time to leave was over, closes everything else, sends the connections that rest
//! through the channel to whoever has time, and ends.

use std::ffi::{c_int, c_void};
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::channel::Channel;
use crate::clock::monotonic_ms;
use crate::ledger::{self, Ledger, Left, Orphan};
use crate::scoreboard::Tenure;
use crate::signals::Mask;
use crate::stream::{self, PeerAddress, Progress};

/// What it does needs little.
const STACK: usize = 64 * 1024;

/// Room for a message about a connection.
const MESSAGE: usize = 512;

/// How long the channel may be full before what is left is closed.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two attempts to send through a full channel.
const PAUSE: Duration = Duration::from_millis(20);

/// What was not read of a request is, up to so much, before its connection is closed: else the kernel resets
/// it, and the reset may overtake the answer.
const UNREAD: usize = 1024 * 1024;

/// What a keeper is to do.
pub struct Orders {
    /// The answer to what the worker was asked.
    pub page: Vec<u8>,
    /// Once it is over nobody is answered: who closes without an answer says that it did not begin, and a proxy
    /// may ask elsewhere.
    pub tenure: Tenure,
    /// Where connections that rest go.
    pub channel: Arc<Channel>,
    /// Writes the message that goes along with one. It runs in a process that was cloned from one that may have
    /// had other threads, so it must not take memory beyond what the buffer has.
    pub describe: fn(&mut Vec<u8>, &Orphan, PeerAddress),
}

struct Keeper {
    orders: Orders,
    ledger: &'static Ledger,
    worker: OwnedFd,
    /// Made before the clone, as is all memory that it uses.
    message: Vec<u8>,
    buffer: Vec<u8>,
}

/// Starts the keeper of this process. It ends after this process, by itself. A second call changes nothing.
///
/// # Errors
///
/// When the kernel is older than 5.3, or has no memory or process left.
pub fn start(orders: Orders) -> io::Result<()> {
    static STARTED: OnceLock<()> = OnceLock::new();
    if STARTED.set(()).is_err() {
        return Ok(());
    }
    let keeper = Keeper {
        orders,
        ledger: ledger::open()?,
        worker: pidfd_open(getpid(), PidfdFlags::empty())?,
        message: Vec::with_capacity(MESSAGE),
        buffer: vec![0; 16 * 1024],
    };
    // Both stay for good here: the descriptors that it holds are the keeper's, too.
    let keeper: &mut Keeper = Box::leak(Box::new(keeper));
    let stack = vec![0_u128; STACK / size_of::<u128>()].leak();
    let top = stack.as_mut_ptr_range().end;
    // Signals to a process group are not for the keeper, which inherits the mask.
    let mask = Mask::block_all()?;
    // SAFETY: the new process has a copy of this one's memory, in which `top` is the end of a stack of its own, aligned
    // for every type, and `keeper` is not used by anybody else. It calls nothing that takes locks or memory, which
    // other threads may have held at this moment, and never returns.
    let pid = unsafe {
        libc::clone(
            keep,
            top.cast::<c_void>(),
            // Without a signal for its end: it is no child that an application might wait for.
            libc::CLONE_FILES,
            std::ptr::from_mut(keeper).cast::<c_void>(),
        )
    };
    let error = io::Error::last_os_error();
    mask.restore();
    if pid < 0 { Err(error) } else { Ok(()) }
}

extern "C" fn keep(keeper: *mut c_void) -> c_int {
    // SAFETY: `start` passes a Keeper that was leaked, and nobody else in this process uses it.
    let keeper = unsafe { &mut *keeper.cast::<Keeper>() };
    // SAFETY: the name is a string that ends with 0.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"oxicorn-keeper".as_ptr()) };
    if keeper.outlives() {
        if !keeper.orders.tenure.is_over() {
            keeper.answer();
        }
        keeper.close_others();
        keeper.hand_on();
    }
    // SAFETY: _exit does not return, and runs nothing of what this process inherited.
    unsafe { libc::_exit(0) }
}

impl Keeper {
    /// Waits until the worker, with all its threads, is dead. False: that cannot be told any more.
    fn outlives(&self) -> bool {
        let mut fds = [PollFd::new(&self.worker, PollFlags::IN)];
        loop {
            match poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
                Ok(_) => {
                    let [worker] = &fds;
                    return worker.revents().contains(PollFlags::IN);
                }
            }
        }
    }

    /// Answers what the worker was asked and had not begun to answer.
    fn answer(&mut self) {
        for number in 0..=self.ledger.highest() {
            if self.ledger.left(number) != Some(Left::Asked) {
                continue;
            }
            let socket = borrow(number);
            // A client that is gone needs no answer.
            stream::send(socket, &self.orders.page);
            stream::finish_sending(socket);
            let mut unread: usize = 0;
            while unread < UNREAD
                && let Progress::Bytes(length) = stream::receive(socket, &mut self.buffer)
            {
                unread = unread.saturating_add(length);
            }
        }
    }

    /// Closes all descriptors but those that are still needed: listeners, and what the application had open, end
    /// with the worker.
    fn close_others(&self) {
        let channel = self.orders.channel.entrance().as_raw_fd().unsigned_abs();
        let mut from = 0;
        for number in 0..=self.ledger.highest().max(channel) {
            let rests = matches!(self.ledger.left(number), Some(Left::Resting(_)));
            if number == channel || rests && self.ledger.is_shared() {
                close(from, number);
                from = number.saturating_add(1);
            }
        }
        close(from, u32::MAX);
    }

    /// Gives away the connections that rest.
    fn hand_on(&mut self) {
        if !self.ledger.is_shared() {
            return;
        }
        let until = monotonic_ms().saturating_add(PATIENCE.as_millis() as u64);
        for number in 0..=self.ledger.highest() {
            let Some(Left::Resting(orphan)) = self.ledger.left(number) else {
                continue;
            };
            let socket = borrow(number);
            let Some(address) = stream::peer(socket) else {
                continue;
            };
            self.message.clear();
            (self.orders.describe)(&mut self.message, &orphan, address);
            if !self.send(socket, until) {
                return;
            }
        }
    }

    /// Waits as long as there is no room. False: there is no sense in going on.
    fn send(&self, socket: BorrowedFd<'_>, until: u64) -> bool {
        let channel = &self.orders.channel;
        loop {
            match channel.send(socket, &[IoSlice::new(&self.message)]) {
                Ok(true) => return true,
                Ok(false) if monotonic_ms() < until => {}
                Ok(false) | Err(_) => return false,
            }
            let pause = Timespec {
                tv_sec: 0,
                tv_nsec: i64::from(PAUSE.subsec_nanos()),
            };
            let entrance = channel.entrance();
            let _ = poll(&mut [PollFd::new(&entrance, PollFlags::OUT)], Some(&pause));
        }
    }
}

/// A connection of the worker, which cannot close it any more.
fn borrow(number: u32) -> BorrowedFd<'static> {
    // SAFETY: the ledger says that the worker had it open when it died. A number is taken out of the ledger before it is
    // closed, and this process closes none of those.
    unsafe { BorrowedFd::borrow_raw(number.cast_signed()) }
}

/// Closes the descriptors from `first` up to and without `end`.
fn close(first: u32, end: u32) {
    if first < end {
        // SAFETY: these descriptors belong to nobody else: the worker is dead, and what this process goes on to use
        // is not among them.
        unsafe { libc::syscall(libc::SYS_close_range, first, end.saturating_sub(1), 0) };
    }
}
