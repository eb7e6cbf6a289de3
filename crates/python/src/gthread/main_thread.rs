//! The main thread of a gthread worker: signals, life cycle, and connections that nobody else
//! looks after.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use oxicorn_sys::scoreboard::Slot;
use oxicorn_sys::wait::{WakeUp, wait_readable};
use oxicorn_worker::Engine;
use oxicorn_worker::clock::Moment;
use oxicorn_worker::helper::{Helper, TICK, Watcher};
use pyo3::intern;
use pyo3::prelude::*;

use super::lobby::{Front, Lobby};
use super::pool::{Deposer, Ground, Pool};
use super::relief::Reliever;
use super::thread;
use crate::worker::{Parent, Parts, drain, stop_listening};
use crate::wsgi::{Access, Journal};
use crate::{overdue, process};

/// How often the worker looks whether everything is in order.
const LOOK: Duration = Duration::from_secs(1);

/// The same while it leaves, or looks after the connections.
const SHORT_LOOK: Duration = Duration::from_millis(20);

/// Serves as the sync worker does, but runs requests in `worker.cfg.threads` threads.
///
/// # Errors
///
/// As the sync worker's.
#[pyfunction]
pub fn run_gthread(worker: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = worker.py();
    let Parts {
        config,
        mut options,
        sockets,
        listeners,
        wakeup,
        common,
    } = Parts::of(worker, true)?;
    options.connections = options.connections.min(config.worker_connections.max(1));
    let slot = process::slot_of(worker)?;
    let bell = WakeUp::new()?;
    let mut engine = Engine::new(options, sockets, bell.reader(), slot)?;
    if config.handoff {
        engine.join(&process::channel_of(worker)?, config.threads.max(1))?;
    }
    let relief = engine.pool_relief()?;
    let watchdog = overdue::watch(worker, true)?;
    engine.watched_by(watchdog.as_ref());
    let front = Front::new(worker.clone().unbind(), Arc::clone(&common.access));
    let threads = config.threads.max(1);
    let access = Access::new(py, &common.access);
    let pool = Arc::new(Pool::new(Ground {
        worker: worker.clone().unbind(),
        common,
        listeners,
        sendfile: config.sendfile,
        lobby: Lobby { engine, front },
        bell,
        main: WakeUp::new()?,
        threads,
    }));
    let deposer = Deposer {
        pool: Arc::clone(&pool),
    };
    let reliever = Reliever {
        pool: Arc::clone(&pool),
        relief,
        done: Moment::now(),
    };
    let watchers: Vec<Box<dyn Watcher>> = vec![Box::new(deposer), Box::new(reliever)];
    let helper = Helper::start(&pool.calls, watchers, TICK)?;
    let mut main = MainThread {
        worker,
        pool: &pool,
        wakeup,
        slot,
        access,
        parent: Parent::of(worker)?,
        is_leaving: false,
    };
    let served = thread::start_all(py, &pool, threads).and_then(|()| main.run());
    pool.close();
    py.detach(|| {
        drop(helper);
        drop(watchdog);
        pool.see_off();
    });
    worker.setattr("busy_threads", pool.calls.count())?;
    if let Some(error) = pool.take_failure() {
        return Err(error.into());
    }
    served?;
    let lobby = main.enter();
    let (requests, away) = (lobby.engine.requests(), lobby.engine.requests_away());
    drop(lobby);
    if away > 0 {
        let pid = worker.getattr("pid")?.str()?;
        Journal::of(worker)?.graceful_timeout(&pid.to_cow()?);
    }
    worker.setattr("nr", requests)
}

struct MainThread<'p, 'py> {
    worker: &'p Bound<'py, PyAny>,
    pool: &'p Pool,
    /// The worker's pipe, which signals write to.
    wakeup: OwnedFd,
    slot: Slot,
    access: Access<'py>,
    parent: Parent,
    is_leaving: bool,
}

impl<'p> MainThread<'p, '_> {
    fn run(&mut self) -> PyResult<()> {
        let py = self.worker.py();
        while !self.pool.is_finished() {
            let limit = if self.is_leaving || self.pool.lead.is_vacant() {
                SHORT_LOOK
            } else {
                LOOK
            };
            let (wakeup, pool) = (&self.wakeup, self.pool);
            py.detach(|| {
                let pipes = [wakeup.as_fd(), pool.main_pipe()];
                wait_readable(pipes, Some(limit))
            })?;
            drain(&self.wakeup);
            self.pool.main_came();
            py.check_signals()?;
            let now = Moment::now();
            // Only now, with the interpreter: a worker where nobody gets it any more is not alive.
            self.slot.beat(now.millis());
            if self.slot.has_answered() {
                self.report_overdue()?;
            }
            if self.pool.lead.is_vacant() {
                self.attend(now);
            }
            if !self.is_leaving && !self.is_wanted()? {
                self.leave()?;
            }
            if self.parent.is_gone(now) {
                let message = format!("Parent changed, shutting down: {}", self.worker.str()?);
                self.worker
                    .getattr("log")?
                    .call_method1("info", (message,))?;
                break;
            }
        }
        Ok(())
    }

    fn enter(&self) -> MutexGuard<'p, Lobby> {
        let pool = self.pool;
        loop {
            if let Some(lobby) = pool.try_enter() {
                return lobby;
            }
            self.worker.py().detach(|| drop(pool.enter()));
        }
    }

    fn is_wanted(&self) -> PyResult<bool> {
        let alive = self.worker.getattr(intern!(self.worker.py(), "alive"))?;
        alive.is_truthy()
    }

    /// The watchdog has answered requests whose threads are stuck.
    fn report_overdue(&mut self) -> PyResult<()> {
        let mut lobby = self.enter();
        let Lobby { engine, front } = &mut *lobby;
        engine.note_overdue(front);
        let is_news = engine.take_overdue();
        drop(lobby);
        if is_news {
            let report = intern!(self.worker.py(), "report_overdue");
            self.worker.call_method1(report, (true,))?;
            // A leaving worker waits for nobody else, perhaps.
            self.pool.ring();
        }
        Ok(())
    }

    /// No more connections; what there is comes to its end.
    fn leave(&mut self) -> PyResult<()> {
        self.is_leaving = true;
        let mut lobby = self.enter();
        lobby.drain();
        self.pool.work_off(&mut lobby);
        drop(lobby);
        stop_listening(self.worker)?;
        self.pool.settle();
        self.pool.ring();
        Ok(())
    }

    /// Every thread is in a call: does a turn of the engine in their place. What has come is run by
    /// the first that is back.
    fn attend(&mut self, now: Moment) {
        self.access.turned(now);
        let Some(mut lobby) = self.pool.try_enter() else {
            return;
        };
        match lobby.engine.poll(Duration::ZERO) {
            Ok(ready) => {
                lobby.engine.set_full(true);
                self.pool.turn(&mut lobby, ready);
                lobby.engine.set_full(false);
            }
            Err(error) => return self.pool.fail(error),
        }
        drop(lobby);
        self.pool.settle();
        if self.pool.has_jobs() && !self.pool.lead.is_vacant() {
            // Somebody came back meanwhile, and may wait without knowing of them.
            self.pool.ring();
        }
    }
}
