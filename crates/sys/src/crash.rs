//! Last words: a worker that crashes in native code answers the requests that it was at.
//!
//! The handler runs in a process whose memory may be in any state, so it does only what signal-safety(7)
//! allows: it reads atomics of the scoreboard, sends a page that was made before, and lets the signal do what it
//! would have done.

use std::io;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use crate::scoreboard::Slot;

/// What the processor sends for a fault. Not SIGABRT, which is the arbiter's word for a timeout.
const FAULTS: [libc::c_int; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];

static LAST_WORDS: OnceLock<LastWords> = OnceLock::new();

struct LastWords {
    slot: Slot,
    page: &'static [u8],
    /// What was to happen before, in the order of [`FAULTS`].
    before: [libc::sigaction; FAULTS.len()],
}

/// From now on a fault of this process answers its requests in flight with `page`, where the response has
/// not begun. A second call changes nothing.
///
/// # Errors
///
/// When the system refuses a handler.
pub fn answer_with(slot: Slot, page: Vec<u8>) -> io::Result<()> {
    if LAST_WORDS.get().is_some() {
        return Ok(());
    }
    let mut before = [empty(); FAULTS.len()];
    for (number, action) in FAULTS.into_iter().zip(&mut before) {
        *action = change(number, None)?;
    }
    let page = page.leak();
    if LAST_WORDS.set(LastWords { slot, page, before }).is_err() {
        return Ok(());
    }
    let handler: extern "C" fn(libc::c_int) = on_fault;
    let mut action = empty();
    action.sa_sigaction = handler as *const () as libc::sighandler_t;
    // On the other stack where the thread has one: the usual one may be what overflowed.
    action.sa_flags = libc::SA_ONSTACK;
    for number in FAULTS {
        change(number, Some(&action))?;
    }
    Ok(())
}

extern "C" fn on_fault(number: libc::c_int) {
    let Some(words) = LAST_WORDS.get() else {
        return;
    };
    words.slot.answer_all(words.page);
    for (fault, before) in FAULTS.into_iter().zip(&words.before) {
        if fault == number {
            let _ = change(number, Some(before));
        }
    }
    // SAFETY: raise(3) is async-signal-safe. The signal is blocked until this handler returns, and
    // then does what it would have done without us.
    unsafe { libc::raise(number) };
}

fn empty() -> libc::sigaction {
    // SAFETY: sigaction is a C struct of integers, a set of bits and a pointer that may be null,
    // for all of which zero is valid; it means the default action.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// Sets what a signal does, if asked to; gives what it did.
fn change(number: libc::c_int, action: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let new = action.map_or(std::ptr::null(), std::ptr::from_ref);
    let mut old = empty();
    // SAFETY: `new` is null or points to a live struct, `old` is valid for writing. The handlers are the default,
    // one that was there before, or `on_fault`, which has the signature that SA_SIGINFO's absence asks for.
    if unsafe { libc::sigaction(number, new, &raw mut old) } == 0 {
        Ok(old)
    } else {
        Err(io::Error::last_os_error())
    }
}
