//! A task a request: an application is never stepped outside of one.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::ffi::{call_one, call_with};

/// How tasks are made.
pub enum Tasks {
    /// `asyncio.Task(coroutine, loop=loop, eager_start=True)` (Python 3.12): the first step is taken at
    /// once, and an application that waits for nothing is done with it.
    Eager {
        class: Py<PyAny>,
        /// The loop, and that it shall be so.
        keywords: Py<PyDict>,
        /// `Task.done` and `Task.exception`.
        done: Py<PyAny>,
        exception: Py<PyAny>,
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
        let class = py.import("asyncio")?.getattr("Task")?;
        let keywords = PyDict::new(py);
        keywords.set_item(PyString::intern(py, "loop"), event_loop)?;
        keywords.set_item(PyString::intern(py, "eager_start"), true)?;
        Ok(Tasks::Eager {
            done: class.getattr("done")?.unbind(),
            exception: class.getattr("exception")?.unbind(),
            class: class.unbind(),
            keywords: keywords.unbind(),
        })
    }

    /// The task of this coroutine.
    #[inline]
    pub fn start<'py>(&self, coroutine: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = coroutine.py();
        match self {
            Tasks::Eager {
                class, keywords, ..
            } => call_with(class.bind(py), coroutine, keywords.bind(py)),
            Tasks::Created { create } => create.bind(py).call1((coroutine,)),
        }
    }

    /// How a task ended that may have ended with its first step; `None` if it goes on.
    #[inline]
    pub fn ended_at_once(&self, task: &Bound<'_, PyAny>) -> PyResult<Option<Ended>> {
        let py = task.py();
        let Tasks::Eager {
            done, exception, ..
        } = self
        else {
            return Ok(None);
        };
        if !call_one(done.bind(py), task)?.is_truthy()? {
            return Ok(None);
        }
        Ended::told(task, call_one(exception.bind(py), task)).map(Some)
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
        Ended::told(task, task.call_method0(intern!(task.py(), "exception")))
    }

    /// The same, if that is what its `exception` says.
    #[inline]
    fn told<'py>(
        task: &Bound<'py, PyAny>,
        exception: PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Ended> {
        match exception {
            Ok(none) if none.is_none() => Ok(Ended::Returned),
            Ok(exception) => Ok(Ended::Raised(PyErr::from_value(exception))),
            Err(_)
                if task
                    .call_method0(intern!(task.py(), "cancelled"))?
                    .is_truthy()? =>
            {
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
