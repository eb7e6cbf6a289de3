//! The gthread worker: `threads` Python threads that take turns at leading.
//!
//! The **leader** runs the engine's loop and, one after the other, the calls of the requests that have
//! come; the **followers** are parked. While calls are short that is all that happens, and it costs what
//! the sync worker costs: no thread wakes another for a request. A long call must not hold up the
//! others, so the lead goes to a follower: before the call where calls are long on average, else by the
//! helper (`oxicorn_worker::helper`), which takes it from a call that outlasts a tick. What was queued
//! and what waits to be sent is the new leader's then; the old one finishes its response and parks.
//!
//! The **main thread** runs no application code. It sleeps on the worker's pipe, so that a signal is
//! handled at once however long calls take, and looks after the worker's life. When every thread is in a
//! call for long it also does the engine's turns, so that slow clients get their responses and idle
//! ones their time limits; requests then wait in the queue.
//!
//! # Locks
//!
//! | lock | held while | taken by |
//! | --- | --- | --- |
//! | the interpreter | Python runs | every thread but the helper |
//! | `Pool::lobby` | the engine works; it may call Python, to log | every thread; the helper, if it is free |
//! | `queue`, `done`, `parking` of the pool | a few instructions | every thread |
//!
//! * Whoever has the lobby may come to wait for the interpreter. So **nobody waits for the lobby
//!   while it has the interpreter**: it tries, and if that fails it either leaves what it has to give
//!   back in `done`, or lets go of the interpreter and waits then.
//! * The helper goes there when all threads are in calls, or wait for the interpreter, and calls no Python. What
//!   was left in `done` meanwhile it has others look after.
//! * Whoever else has left the lobby looks into `done` again, so what was left there during its stay is
//!   found; what comes later finds the lobby open.
//! * The small locks are leaves: whoever has one takes no other and runs no code that is not ours. So
//!   they may be taken with the interpreter, and by the helper.
//! * Nobody holds any lock during a call, in `epoll_wait`, or parked, and the interpreter only in calls.
//! * The lead is one word (`oxicorn_worker::lead`). It is set free before the followers' lock is taken
//!   to wake one, and a follower looks at it under that lock before it parks: it cannot stay free
//!   while somebody is parked.

mod job;
mod lobby;
mod main_thread;
mod pool;
mod relief;
mod thread;

pub use main_thread::run_gthread;
