//! What waits while all threads are in calls: it goes to workers that have time, or is refused.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use oxicorn_worker::clock::Moment;
use oxicorn_worker::helper::{Call, TICK, Watcher};
use oxicorn_worker::{Exchange, Line, PoolRelief, Recalled};

use super::job::Job;
use super::lobby::{Front, Lobby};
use super::pool::Pool;
use crate::wsgi::Client;

/// The helper's part of it: without the interpreter, which a thread may not give away for long.
pub struct Reliever {
    pub pool: Arc<Pool>,
    pub relief: PoolRelief,
    /// When it was done last: it is asked about each call.
    pub done: Moment,
}

impl Watcher for Reliever {
    fn outlasted(&mut self, _: Call, age: Duration) -> Option<Duration> {
        let now = Moment::now();
        let is_full = self.pool.is_full();
        if !is_full && !self.pool.is_kept_out(now) {
            // The next call that finds no thread is asked about as well.
            return Some(age.saturating_mul(2));
        }
        if u128::from(now.micros_since(self.done)) >= TICK.as_micros() / 2 {
            self.done = now;
            self.relieve(is_full, now);
        }
        Some(age.saturating_add(TICK))
    }
}

impl Reliever {
    fn relieve(&mut self, is_full: bool, now: Moment) {
        let pool = &self.pool;
        let (Some(oldest), Some(mut lobby)) = (pool.calls.oldest(), pool.try_enter()) else {
            return;
        };
        let Lobby { engine, front } = &mut *lobby;
        let mut queued = Queued {
            jobs: pool.take_jobs(),
            front,
        };
        let age = Duration::from_micros(now.micros_since(oldest));
        engine.relieve(&mut self.relief, &mut queued, is_full, age);
        pool.put_jobs_back(queued.jobs);
        drop(lobby);
        pool.have_settled();
    }
}

struct Queued<'a> {
    jobs: VecDeque<Box<Job>>,
    front: &'a mut Front,
}

impl Line<Client> for Queued<'_> {
    fn exchange(&mut self, index: usize) -> Option<&mut Exchange<Client>> {
        self.jobs.get_mut(index)?.exchange.as_mut()
    }

    fn recall(&mut self, index: usize) -> Option<Recalled<Client>> {
        let recalled = self.jobs.get_mut(index)?.recall()?;
        if let Some(job) = self.jobs.remove(index) {
            self.front.put_away(job);
        }
        Some(recalled)
    }
}
