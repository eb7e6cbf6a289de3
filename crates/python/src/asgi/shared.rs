//! What the loop's callbacks, the requests and the engine's turns share. All of it belongs to the
//! thread of the loop.
//!
//! The engine is in use while it takes a turn, and an application may run inside of that. What a
//! request wants of the engine then waits for the end of the turn.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;

use oxicorn_worker::{Engine, Place};
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use slab::Slab;

use super::call::Asgi;
use super::cycle::Cycle;
use super::task::Ended;
use super::websocket::Socket;
use crate::wsgi::Lines;

/// The engine and what its turns need.
pub struct Shared {
    /// `None` when the worker has left.
    pub engine: RefCell<Option<Work>>,
    commands: RefCell<Vec<Command>>,
    /// Requests whose task is not done. The loop itself keeps no task alive.
    pub running: RefCell<Slab<Py<Cycle>>>,
    /// The same for WebSockets.
    pub sockets: RefCell<Slab<Py<Socket>>>,
    /// Response fields that come again and again.
    lines: RefCell<Lines>,
    /// The loop runs a turn of ours and no task: a task that is woken may take its step.
    is_in_turn: Cell<bool>,
    /// A WebSocket's client sent something in this turn.
    pub has_heard: Cell<bool>,
    /// The worker is on its way out.
    pub is_leaving: Cell<bool>,
    /// The loop was stopped, which happens once: it may run again for the end of tasks, which are cancelled, and of the
    /// application.
    pub has_stopped: Cell<bool>,
    /// Seconds that a request goes on after its client has gone.
    pub grace: f64,
    /// Of the loop.
    pub calls: LoopCalls,
    /// The driver's turn.
    pub turn: RefCell<Option<Py<PyAny>>>,
}

/// What takes turns.
pub struct Work {
    pub engine: Engine<Asgi>,
    pub asgi: Asgi,
}

/// Methods of the loop, and the context that its callbacks run in: no request's own.
pub struct LoopCalls {
    pub event_loop: Py<PyAny>,
    pub create_future: Py<PyAny>,
    pub call_soon: Py<PyAny>,
    pub call_later: Py<PyAny>,
    pub context: Py<PyAny>,
    /// `asyncio.current_task`.
    current_task: Py<PyAny>,
}

/// What a request wants of the engine.
pub enum Command {
    /// The next piece of its body.
    More(Place),
    /// Word of room for what it sends.
    Room(Place),
    /// To give its connection back: its response is complete.
    Done(Py<Cycle>),
    /// The same, if that has not been; its task is done.
    TaskDone(Py<Cycle>, Ended),
    /// Every further byte of the connection: the WebSocket was accepted.
    HandOver(Py<Socket>),
    /// To give a WebSocket's connection back.
    SocketOver(Py<Socket>),
    /// The task of a WebSocket is done.
    SocketTaskDone(Py<Socket>, Ended),
}

impl LoopCalls {
    /// Of this loop.
    pub fn of(event_loop: &Bound<'_, PyAny>) -> PyResult<LoopCalls> {
        let method = |name: &str| event_loop.getattr(name).map(Bound::unbind);
        let context = event_loop
            .py()
            .import("contextvars")?
            .call_method0("copy_context")?;
        Ok(LoopCalls {
            event_loop: event_loop.clone().unbind(),
            create_future: method("create_future")?,
            call_soon: method("call_soon")?,
            call_later: method("call_later")?,
            context: context.unbind(),
            current_task: event_loop
                .py()
                .import("asyncio")?
                .getattr("current_task")?
                .unbind(),
        })
    }

    /// Calls `callback` after `seconds`.
    pub fn later<'py>(
        &self,
        seconds: f64,
        callback: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = callback.py();
        let keywords = self.keywords(py)?;
        self.call_later
            .bind(py)
            .call((seconds, callback), Some(&keywords))
    }

    /// Calls `callback` when what the loop has at hand is done.
    pub fn soon(&self, callback: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = callback.py();
        let keywords = self.keywords(py)?;
        self.call_soon.bind(py).call((callback,), Some(&keywords))?;
        Ok(())
    }

    /// What waits for `future`, which is a task's next step, and the context that it belongs to, taken from the
    /// future. The loop would take the step with its next iteration, after one more look at its descriptors;
    /// in a turn, which is a callback of the loop's as that would be, it can as well be taken now.
    /// `None` if it cannot, because a task runs or something else waits too.
    fn step_of<'py>(
        &self,
        future: &Bound<'py, PyAny>,
    ) -> PyResult<Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> {
        let py = future.py();
        let current = self.current_task.bind(py).call1((&self.event_loop,))?;
        if !current.is_none() {
            return Ok(None);
        }
        let callbacks = future.getattr(intern!(py, "_callbacks"))?;
        let Ok(callbacks) = callbacks.cast::<PyList>() else {
            return Ok(None);
        };
        if callbacks.len() != 1 {
            return Ok(None);
        }
        let (step, context): (Bound<'py, PyAny>, Bound<'py, PyAny>) =
            callbacks.get_item(0)?.extract()?;
        future.call_method1(intern!(py, "remove_done_callback"), (&step,))?;
        Ok(Some((step, context)))
    }

    fn keywords<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let keywords = PyDict::new(py);
        keywords.set_item(intern!(py, "context"), &self.context)?;
        Ok(keywords)
    }
}

impl Shared {
    /// Of a loop, without an engine yet.
    pub fn new(event_loop: &Bound<'_, PyAny>, grace: f64) -> PyResult<Rc<Shared>> {
        Ok(Rc::new(Shared {
            engine: RefCell::new(None),
            commands: RefCell::default(),
            running: RefCell::default(),
            sockets: RefCell::default(),
            lines: RefCell::default(),
            is_in_turn: Cell::new(false),
            has_heard: Cell::new(false),
            is_leaving: Cell::new(false),
            has_stopped: Cell::new(false),
            grace,
            calls: LoopCalls::of(event_loop)?,
            turn: RefCell::new(None),
        }))
    }

    /// Response fields that come again and again, for the time of one message.
    pub fn lines(&self) -> PyResult<RefMut<'_, Lines>> {
        self.lines
            .try_borrow_mut()
            .map_err(|_| PyRuntimeError::new_err("send was called while a message was being read"))
    }

    /// Runs a part of a turn, in which tasks that are woken take their steps.
    pub fn in_turn<R>(&self, act: impl FnOnce() -> R) -> R {
        self.set_in_turn(true, act)
    }

    /// Runs what may be a task of the application's, in which no other may take a step.
    pub fn out_of_turn<R>(&self, act: impl FnOnce() -> R) -> R {
        self.set_in_turn(false, act)
    }

    #[inline]
    fn set_in_turn<R>(&self, is_in_turn: bool, act: impl FnOnce() -> R) -> R {
        let before = self.is_in_turn.replace(is_in_turn);
        let result = act();
        self.is_in_turn.set(before);
        result
    }

    /// Whoever waits on `future` goes on: within a turn at once, else when the loop comes to it.
    pub fn wake(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = future.py();
        if future.call_method0(intern!(py, "done"))?.is_truthy()? {
            return Ok(());
        }
        let step = if self.is_in_turn.get() {
            self.calls.step_of(future)?
        } else {
            None
        };
        future.call_method1(intern!(py, "set_result"), (py.None(),))?;
        let Some((step, context)) = step else {
            return Ok(());
        };
        let stepped = self.out_of_turn(|| context.call_method1(intern!(py, "run"), (step, future)));
        match stepped {
            // The task has it, and its end is where it is looked at.
            Err(error)
                if error.is_instance_of::<PySystemExit>(py)
                    || error.is_instance_of::<PyKeyboardInterrupt>(py) =>
            {
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// Does what a request wants, now or at the end of the turn that it is in.
    pub fn command(&self, py: Python<'_>, command: Command) {
        let Ok(mut work) = self.engine.try_borrow_mut() else {
            self.commands.borrow_mut().push(command);
            return;
        };
        let Some(work) = &mut *work else { return };
        work.engine.resume(&mut work.asgi);
        // One thing may lead to another.
        let is_due = work.perform(py, command);
        if self.perform_commands(py, work) || is_due {
            self.turn_soon(py);
        }
        work.engine.lend();
    }

    /// Does what was wanted during a turn. True if another turn is due.
    pub fn perform_commands(&self, py: Python<'_>, work: &mut Work) -> bool {
        let mut is_due = false;
        loop {
            let commands = std::mem::take(&mut *self.commands.borrow_mut());
            if commands.is_empty() {
                return is_due;
            }
            for command in commands {
                is_due |= work.perform(py, command);
            }
        }
    }

    /// Takes a turn when what the loop has at hand is done.
    pub fn turn_soon(&self, py: Python<'_>) {
        let turn = self.turn.borrow();
        let Some(turn) = &*turn else { return };
        if let Err(error) = self.calls.soon(turn.bind(py)) {
            error.print(py);
        }
    }
}

impl Work {
    /// True if a turn is due.
    fn perform(&mut self, py: Python<'_>, command: Command) -> bool {
        match command {
            Command::More(place) => self.engine.want_more(place),
            Command::Room(place) => self.engine.want_room(place),
            Command::Done(cycle) => {
                if let Some((place, exchange)) = self.asgi.answered_away(cycle.bind(py), None) {
                    return self.engine.put_back(place, exchange, &mut self.asgi);
                }
            }
            Command::HandOver(socket) => self.hand_over_socket(socket.bind(py)),
            Command::SocketOver(socket) => return self.end_socket(socket.bind(py)),
            Command::SocketTaskDone(socket, ended) => {
                self.socket_task_done(socket.bind(py), ended);
            }
            Command::TaskDone(cycle, ended) => {
                if let Some((place, exchange)) = self.asgi.task_done(cycle.bind(py), ended) {
                    return self.engine.put_back(place, exchange, &mut self.asgi);
                }
            }
        }
        false
    }
}
