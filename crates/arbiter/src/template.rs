//! The template: a process that holds the preloaded application and forks the workers.
//!
//! The arbiter never imports the application, so that a reload can: it starts a new template, which loads what
//! is there by then. The workers of a template share its memory, and are children of the
//! arbiter all the same.

use oxicorn_sys::control::Message;

/// Which process forks a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The arbiter itself: the worker loads the application.
    Arbiter,
    /// The template of this number.
    Template(u32),
}

/// The arbiter's view of one template.
#[derive(Clone, Debug)]
pub struct TemplateHandle {
    /// Number in the order of forks, counted from 1.
    pub number: u32,
    /// How far it is.
    pub life: TemplateLife,
}

/// The stages of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateLife {
    /// The fork was ordered, there is no process yet.
    Forking,
    /// Loading the application.
    Loading(i32),
    /// Forks workers.
    Ready(i32),
    /// Forks no more; it stays for the hooks of workers that it has forked.
    Retired(i32),
    /// Told to end.
    Leaving(i32),
}

impl TemplateHandle {
    /// Its process, once there is one.
    pub fn pid(&self) -> Option<i32> {
        match self.life {
            TemplateLife::Forking => None,
            TemplateLife::Loading(pid)
            | TemplateLife::Ready(pid)
            | TemplateLife::Retired(pid)
            | TemplateLife::Leaving(pid) => Some(pid),
        }
    }

    /// It forks workers.
    pub fn is_ready(&self) -> bool {
        matches!(self.life, TemplateLife::Ready(_))
    }
}

/// What the arbiter wants of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Fork this worker, with this record of the scoreboard; answered with `Forked`, `CannotFork` or `Failed`.
    Fork {
        /// Its number.
        age: u32,
        /// Position of its record.
        slot: usize,
    },
    /// Run `child_exit` for a worker that is gone; answered with `Done` or `Failed`.
    Bury {
        /// The worker.
        age: u32,
        /// It could not boot, so no hook is run.
        boot_failure: bool,
    },
    /// Listen no longer; no further worker is wanted.
    Retire,
}

/// What a template tells the arbiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The application is loaded.
    Ready,
    /// The worker's process.
    Forked(i32),
    /// The system refused, which has been logged.
    CannotFork,
    /// Done.
    Done,
    /// A hook raised, which has been logged: the server has to end with this status.
    Failed(i32),
    /// A hook assigned the number of workers.
    Target(usize),
}

impl Order {
    /// As it is sent.
    pub fn encode(self) -> Message {
        match self {
            Order::Fork { age, slot } => [0, age.cast_signed(), number(slot)],
            Order::Bury { age, boot_failure } => [1, age.cast_signed(), boot_failure.into()],
            Order::Retire => [2, 0, 0],
        }
    }

    /// `None`: not an order.
    pub fn decode(message: Message) -> Option<Order> {
        Some(match message {
            [0, age, slot] => Order::Fork {
                age: age.cast_unsigned(),
                slot: usize::try_from(slot).ok()?,
            },
            [1, age, boot_failure] => Order::Bury {
                age: age.cast_unsigned(),
                boot_failure: boot_failure != 0,
            },
            [2, ..] => Order::Retire,
            _ => return None,
        })
    }
}

impl Reply {
    /// As it is sent.
    pub fn encode(self) -> Message {
        match self {
            Reply::Ready => [0, 0, 0],
            Reply::Forked(pid) => [1, pid, 0],
            Reply::CannotFork => [2, 0, 0],
            Reply::Done => [3, 0, 0],
            Reply::Failed(status) => [4, status, 0],
            Reply::Target(target) => [5, number(target), 0],
        }
    }

    /// `None`: not a reply.
    pub fn decode(message: Message) -> Option<Reply> {
        Some(match message {
            [0, ..] => Reply::Ready,
            [1, pid, _] => Reply::Forked(pid),
            [2, ..] => Reply::CannotFork,
            [3, ..] => Reply::Done,
            [4, status, _] => Reply::Failed(status),
            [5, target, _] => Reply::Target(usize::try_from(target).ok()?),
            _ => return None,
        })
    }
}

fn number(size: usize) -> i32 {
    i32::try_from(size).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_is_understood() {
        let orders = [
            Order::Fork {
                age: u32::MAX,
                slot: 7,
            },
            Order::Bury {
                age: 1,
                boot_failure: true,
            },
            Order::Retire,
        ];
        for order in orders {
            assert_eq!(Order::decode(order.encode()), Some(order));
        }
        let replies = [
            Reply::Ready,
            Reply::Forked(4711),
            Reply::CannotFork,
            Reply::Done,
            Reply::Failed(255),
            Reply::Target(3),
        ];
        for reply in replies {
            assert_eq!(Reply::decode(reply.encode()), Some(reply));
        }
        assert_eq!(Order::decode([9, 0, 0]), None);
        assert_eq!(Reply::decode([9, 0, 0]), None);
    }
}
