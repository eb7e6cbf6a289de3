//! Where connections wait for threads: the engine, and the application as the engine sees it.

use std::collections::VecDeque;
use std::sync::Arc;

use oxicorn_worker::{Application, Called, Engine, Exchange, Late, Notice, Request};
use pyo3::prelude::*;

use super::job::Job;
use crate::wsgi::{Access, AccessLog, Client, Journal, Underway};

/// Jobs whose memory is kept.
const SPARE_JOBS: usize = 64;

/// The engine and what belongs to it; one thread at a time.
pub struct Lobby {
    pub engine: Engine<Front>,
    pub front: Front,
}

/// Turns requests into jobs. It is called with or without the interpreter, and takes that only where
/// there is something to log.
pub struct Front {
    worker: Py<PyAny>,
    access: Arc<AccessLog>,
    jobs: VecDeque<Box<Job>>,
    underway: Underway,
    #[expect(clippy::vec_box, reason = "a job goes from list to list, and is large")]
    spare: Vec<Box<Job>>,
}

impl Lobby {
    /// Does what is ready. True if somebody rang the bell.
    pub fn turn(&mut self, ready: usize) -> bool {
        self.engine.turn(ready, &mut self.front);
        self.engine.take_wakeup()
    }

    /// A job is done: its connection goes on.
    pub fn give_back(&mut self, mut job: Box<Job>) {
        if let Some((exchange, received)) = job.take_abandoned() {
            self.engine.abandon(exchange, received, &mut self.front);
        } else {
            self.engine.observe_call(job.call, job.waited);
            self.engine
                .give_back(job.place, job.exchange.take(), &mut self.front);
        }
        self.front.put_away(job);
    }

    /// The worker was told to leave.
    pub fn drain(&mut self) {
        self.engine.drain(&mut self.front);
    }
}

impl Front {
    /// For a worker and its access log.
    pub fn new(worker: Py<PyAny>, access: Arc<AccessLog>) -> Front {
        Front {
            worker,
            access,
            jobs: VecDeque::new(),
            underway: Underway::default(),
            spare: Vec::new(),
        }
    }

    /// Requests that came since the last question.
    pub fn jobs(&mut self) -> &mut VecDeque<Box<Job>> {
        &mut self.jobs
    }

    /// Keeps the memory of a job that is done with.
    pub fn put_away(&mut self, mut job: Box<Job>) {
        job.forget(&mut self.underway);
        job.clear();
        if self.spare.len() < SPARE_JOBS {
            self.spare.push(job);
        }
    }
}

impl Application for Front {
    type Client = Client;

    const INLINE: bool = false;

    const GATHERS: bool = true;

    fn call(&mut self, request: Request<'_>, exchange: Exchange<Client>) -> Called<Client> {
        let mut job = self.spare.pop().unwrap_or_default();
        job.fill(request, exchange);
        job.note(&mut self.underway);
        self.jobs.push_back(job);
        Called::Taken
    }

    fn notice(&mut self, notice: Notice<'_>) {
        Python::attach(|py| {
            match Journal::of(self.worker.bind(py)) {
                Ok(journal) => journal.note(&notice),
                Err(error) => error.print(py),
            }
            Access::new(py, &self.access).note(&notice);
        });
    }

    fn overdue(&mut self, late: Late) -> bool {
        Python::attach(|py| self.underway.tell(late, &mut Access::new(py, &self.access)));
        false
    }
}
