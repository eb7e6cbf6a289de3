//! What the threads of a gthread worker share. The module above says in which order locks are taken.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use oxicorn_sys::wait::WakeUp;
use oxicorn_worker::Wait;
use oxicorn_worker::clock::Moment;
use oxicorn_worker::helper::{Call, Calls, TICK, Watcher};
use oxicorn_worker::lead::{CallTime, Lead};
use pyo3::prelude::*;

use super::job::Job;
use super::lobby::Lobby;
use crate::wsgi::{Common, Listener};

/// When all threads have been in calls for this long, the main thread looks after the connections.
const UNATTENDED: Duration = Duration::from_millis(20);

/// How long a worker that leaves waits for threads that have nothing to do to have ended.
const FAREWELL: Duration = Duration::from_secs(1);

/// The threads' common ground.
pub struct Pool {
    /// The Python object of the worker.
    pub worker: Py<PyAny>,
    /// What all environs have in common.
    pub common: Common,
    /// As environs tell them.
    pub listeners: Vec<Listener>,
    /// Whether the kernel may send wrapped files.
    pub sendfile: bool,
    /// Who leads.
    pub lead: Lead,
    /// Who is in a call since when.
    pub calls: Arc<Calls>,
    /// What calls take.
    pub call_time: CallTime,
    lobby: Mutex<Lobby>,
    queue: Mutex<VecDeque<Box<Job>>>,
    #[expect(clippy::vec_box, reason = "a job goes from list to list, and is large")]
    done: Mutex<Vec<Box<Job>>>,
    parking: Mutex<Parking>,
    unparked: Condvar,
    is_closed: AtomicBool,
    is_finished: AtomicBool,
    failure: Mutex<Option<io::Error>>,
    /// Wakes the leader out of its wait.
    bell: WakeUp,
    /// Wakes the main thread.
    main: WakeUp,
    main_is_called: AtomicBool,
    /// Threads that are not in a call of the application.
    at_home: AtomicUsize,
    /// Since when the leader waits for the interpreter, in microseconds; 0: it does not.
    wants_interpreter: AtomicU64,
}

#[derive(Default)]
struct Parking {
    parked: usize,
}

/// The state stays usable after a panic of another thread: each change of it is one operation, and the
/// engine catches its own.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// What the worker is made of.
pub struct Ground {
    pub worker: Py<PyAny>,
    pub common: Common,
    pub listeners: Vec<Listener>,
    pub sendfile: bool,
    pub lobby: Lobby,
    pub bell: WakeUp,
    pub main: WakeUp,
    pub threads: usize,
}

impl Pool {
    /// A pool whose threads are still to be started.
    pub fn new(ground: Ground) -> Pool {
        Pool {
            worker: ground.worker,
            common: ground.common,
            listeners: ground.listeners,
            sendfile: ground.sendfile,
            lead: Lead::default(),
            calls: Calls::new(ground.threads),
            call_time: CallTime::default(),
            lobby: Mutex::new(ground.lobby),
            queue: Mutex::default(),
            done: Mutex::default(),
            parking: Mutex::default(),
            unparked: Condvar::new(),
            is_closed: AtomicBool::new(false),
            is_finished: AtomicBool::new(false),
            failure: Mutex::default(),
            bell: ground.bell,
            main: ground.main,
            main_is_called: AtomicBool::new(false),
            at_home: AtomicUsize::new(0),
            wants_interpreter: AtomicU64::new(0),
        }
    }

    // Jobs.

    /// The next request to be run.
    pub fn next_job(&self) -> Option<Box<Job>> {
        lock(&self.queue).pop_front()
    }

    /// Requests wait for a thread.
    pub fn has_jobs(&self) -> bool {
        !lock(&self.queue).is_empty()
    }

    /// All that wait, for whoever has the lobby.
    pub fn take_jobs(&self) -> VecDeque<Box<Job>> {
        std::mem::take(&mut *lock(&self.queue))
    }

    /// Those that are left of them.
    pub fn put_jobs_back(&self, mut jobs: VecDeque<Box<Job>>) {
        let mut queue = lock(&self.queue);
        jobs.append(&mut queue);
        *queue = jobs;
    }

    /// A job was run.
    pub fn push_done(&self, job: Box<Job>) {
        lock(&self.done).push(job);
    }

    fn has_done(&self) -> bool {
        !lock(&self.done).is_empty()
    }

    // The lobby.

    /// Waits for the lobby. Never with the interpreter.
    pub fn enter(&self) -> MutexGuard<'_, Lobby> {
        lock(&self.lobby)
    }

    /// The lobby, if nobody has it.
    pub fn try_enter(&self) -> Option<MutexGuard<'_, Lobby>> {
        try_lock(&self.lobby)
    }

    /// Does what is ready; true if somebody rang the bell.
    pub fn turn(&self, lobby: &mut Lobby, ready: usize) -> bool {
        let is_rung = lobby.turn(ready);
        if is_rung {
            self.bell.clear();
        }
        self.work_off(lobby);
        is_rung
    }

    /// Gives back what is done, and queues what came of that and of the last turn.
    pub fn work_off(&self, lobby: &mut Lobby) {
        let mut done = std::mem::take(&mut *lock(&self.done));
        for job in done.drain(..) {
            lobby.give_back(job);
        }
        // Its memory is used again, unless others have been quick.
        let mut present = lock(&self.done);
        if present.is_empty() {
            *present = done;
        }
        drop(present);
        if !lobby.front.jobs().is_empty() {
            lock(&self.queue).append(lobby.front.jobs());
        }
        if lobby.engine.is_finished() && !self.is_finished.swap(true, SeqCst) {
            self.main.wake();
        }
    }

    /// Gives back what is done if the lobby is free; else whoever is there does it.
    pub fn settle(&self) {
        while self.has_done() {
            let Some(mut lobby) = self.try_enter() else {
                return;
            };
            self.work_off(&mut lobby);
        }
    }

    /// Has somebody else settle, if there is something to.
    pub fn have_settled(&self) {
        if !self.has_done() {
            return;
        }
        if self.lead.is_vacant() {
            self.call_main();
        } else {
            self.ring();
        }
    }

    /// A leader's wait for something to do, until `until` at the latest. Without the interpreter.
    pub fn wait(&self, mut wait: Wait, until: Moment) {
        loop {
            // While the leader was in the lobby others could only leave what they had done.
            let ready = if self.has_done() { Ok(0) } else { wait.run() };
            let mut lobby = self.enter();
            lobby.engine.end_wait(wait);
            let is_rung = match ready {
                Ok(ready) => self.turn(&mut lobby, ready),
                Err(error) => return self.fail(error),
            };
            let now = lobby.engine.now();
            if is_rung || now >= until || self.has_jobs() || self.is_finished() {
                return;
            }
            wait = lobby.engine.begin_wait(now.until(until));
        }
    }

    /// The leader shall look around.
    pub fn ring(&self) {
        self.bell.wake();
    }

    // Leader and followers.

    /// Parks until the lead is free, and takes it; false when there is nothing to lead any more. Without the
    /// interpreter.
    pub fn park(&self, thread: usize) -> bool {
        let mut parking = lock(&self.parking);
        loop {
            if self.is_closed() {
                return false;
            }
            if self.lead.take(thread) {
                return true;
            }
            parking.parked = parking.parked.saturating_add(1);
            parking = self
                .unparked
                .wait(parking)
                .unwrap_or_else(PoisonError::into_inner);
            parking.parked = parking.parked.saturating_sub(1);
        }
    }

    /// The lead is free: wakes a follower to take it. False if all threads are in calls; then the first
    /// that is back takes it.
    pub fn wake_follower(&self) -> bool {
        let parking = lock(&self.parking);
        let is_anybody = parking.parked > 0;
        drop(parking);
        if is_anybody {
            self.unparked.notify_one();
        }
        is_anybody
    }

    /// All threads are in calls.
    pub fn is_full(&self) -> bool {
        self.lead.is_vacant() && self.calls.are_at_most()
    }

    /// The leader has waited for the interpreter for longer than a tick.
    pub fn is_kept_out(&self, now: Moment) -> bool {
        let since = Moment::from_micros(self.wants_interpreter.load(SeqCst));
        since > Moment::default() && u128::from(now.micros_since(since)) > TICK.as_micros()
    }

    /// The leader waits for the interpreter from now on, or has got it.
    pub fn note_wait(&self, since: Option<Moment>) {
        let since = since.map_or(0, Moment::micros);
        self.wants_interpreter.store(since, SeqCst);
    }

    /// The leader lets go of the lead.
    pub fn pass_lead(&self, thread: usize) {
        if self.lead.pass(thread) {
            self.wake_follower();
        }
    }

    // The end.

    /// All connections are gone, or the time to leave is over.
    pub fn is_finished(&self) -> bool {
        self.is_finished.load(SeqCst)
    }

    /// Threads shall leave.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(SeqCst)
    }

    /// What made it impossible to go on.
    pub fn take_failure(&self) -> Option<io::Error> {
        lock(&self.failure).take()
    }

    /// The system failed the engine as a whole.
    pub fn fail(&self, error: io::Error) {
        *lock(&self.failure) = Some(error);
        self.is_finished.store(true, SeqCst);
        self.main.wake();
    }

    /// Sends all threads home.
    pub fn close(&self) {
        self.is_closed.store(true, SeqCst);
        // Under the lock, so that no thread is between its look and its wait.
        let parking = lock(&self.parking);
        self.unparked.notify_all();
        drop(parking);
        self.ring();
    }

    /// Waits for the threads that are in no call to have left, since an interpreter that ends must
    /// not find them in our code. Without the interpreter.
    pub fn see_off(&self) {
        let until = Moment::now().after(FAREWELL);
        while self.at_home.load(SeqCst) > self.calls.count() && Moment::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// A thread begins, or ends, its service.
    pub fn count_thread(&self, begins: bool) {
        if begins {
            self.at_home.fetch_add(1, SeqCst);
        } else {
            self.at_home.fetch_sub(1, SeqCst);
        }
    }

    // The main thread.

    /// What the main thread is woken by.
    pub fn main_pipe(&self) -> BorrowedFd<'_> {
        self.main.reader()
    }

    /// The main thread is awake.
    pub fn main_came(&self) {
        self.main_is_called.store(false, SeqCst);
        self.main.clear();
    }

    fn call_main(&self) {
        if !self.main_is_called.swap(true, SeqCst) {
            self.main.wake();
        }
    }
}

/// Takes the lead from calls that outlast a tick.
pub struct Deposer {
    pub pool: Arc<Pool>,
}

impl Watcher for Deposer {
    fn outlasted(&mut self, call: Call, age: Duration) -> Option<Duration> {
        let pool = &self.pool;
        if pool.lead.depose(call.thread) && !pool.wake_follower() && pool.has_done() {
            // Responses that are ready would wait for a call to end.
            pool.call_main();
        }
        if age < UNATTENDED {
            return Some(UNATTENDED);
        }
        // The lead is free from the beginning of some call on, or from the tick that it outlasts. That call
        // ends, and its thread takes the lead, or it comes here.
        if pool.lead.is_vacant() {
            pool.call_main();
        }
        None
    }
}
