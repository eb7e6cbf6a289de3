//! A task a request: an application is never stepped outside of one.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::ffi::call_named;

/// How tasks are made.
pub enum Tasks {
    /// `asyncio.Task(coroutine, loop=loop, eager_start=True)` (Python 3.12): the first step is taken at
    /// once, and an application that waits for nothing is done with it.
    Eager {
        class: Py<PyAny>,
        event_loop: Py<PyAny>,
        names: Py<PyTuple>,
        yes: Py<PyAny>,
    },
    /// `loop.create_task(coroutine)`.
    Created { create: Py<PyAny> },
}

impl Tasks {
    /// The way for this loop. A task factory of the application's makes all its tasks.
    pub fn of(event_loop: &Bound<'_, PyAny>) -> PyResult<Tasks> {
        let py = event_loop.py();
        let has_factory = !event_loop.call_method0("get_task_factory")?.is_none();
        if has_factory || py.version_info() < (3, 12) {
            let create = event_loop.getattr("create_task")?.unbind();
            return Ok(Tasks::Created { create });
        }
        Ok(Tasks::Eager {
            class: py.import("asyncio")?.getattr("Task")?.unbind(),
            event_loop: event_loop.clone().unbind(),
            names: PyTuple::new(py, ["loop", "eager_start"])?.unbind(),
            yes: true.into_pyobject(py)?.to_owned().into_any().unbind(),
        })
    }

    /// The task of this coroutine.
    #[inline]
    pub fn start<'py>(&self, coroutine: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = coroutine.py();
        match self {
            Tasks::Eager {
                class,
                event_loop,
                names,
                yes,
            } => call_named(
                class.bind(py),
                [coroutine, event_loop.bind(py), yes.bind(py)],
                names.bind(py),
            ),
            Tasks::Created { create } => create.bind(py).call1((coroutine,)),
        }
    }
}

/// How a task ended.
pub enum Ended {
    /// The application returned.
    Returned,
    /// The task was cancelled.
    Cancelled,
    /// It raised.
    Raised(PyErr),
}

impl Ended {
    /// How this task, which is done, ended. Its exception counts as looked at.
    pub fn of(task: &Bound<'_, PyAny>) -> PyResult<Ended> {
        let py = task.py();
        match task.call_method0(intern!(py, "exception")) {
            Ok(none) if none.is_none() => Ok(Ended::Returned),
            Ok(exception) => Ok(Ended::Raised(PyErr::from_value(exception))),
            Err(_) if task.call_method0(intern!(py, "cancelled"))?.is_truthy()? => {
                Ok(Ended::Cancelled)
            }
            Err(error) => Err(error),
        }
    }
}

/// `callback` is called with the task when it is done, in the context of the server.
pub fn when_done(
    task: &Bound<'_, PyAny>,
    callback: &Bound<'_, PyAny>,
    context: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let keywords = PyDict::new(task.py());
    keywords.set_item(intern!(task.py(), "context"), context)?;
    task.call_method(
        intern!(task.py(), "add_done_callback"),
        (callback,),
        Some(&keywords),
    )?;
    Ok(())
}
