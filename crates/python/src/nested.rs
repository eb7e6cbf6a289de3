//! An engine inside of somebody else's loop, whose application runs inline: WSGI in the tornado
//! worker.

use std::cell::RefCell;

use oxicorn_worker::clock::Moment;
use oxicorn_worker::{Application, Called, Exchange, Notice, Request};
use pyo3::prelude::*;

use crate::worker::{ParkedLoop, Parts};
use crate::wsgi::{Client, Common, Listener, ParkedWsgi, Wsgi};

/// Serves a worker's sockets from callbacks of another loop.
#[pyclass(unsendable, module = "oxicorn._oxicorn")]
pub struct NestedEngine {
    worker: Py<PyAny>,
    /// `None` during a turn.
    serving: RefCell<Option<Serving>>,
    descriptor: i32,
}

struct Serving {
    engine: ParkedLoop<Inline>,
    application: Inline,
}

#[pymethods]
impl NestedEngine {
    /// For `worker`, whose application is loaded.
    #[new]
    fn new(worker: &Bound<'_, PyAny>) -> PyResult<NestedEngine> {
        let Parts {
            config,
            options,
            sockets,
            listeners,
            wakeup,
            common,
        } = Parts::of(worker, false)?;
        let engine = ParkedLoop::new(worker, options, sockets, wakeup)?;
        Ok(NestedEngine {
            worker: worker.clone().unbind(),
            descriptor: engine.descriptor(),
            serving: RefCell::new(Some(Serving {
                engine,
                application: Inline {
                    worker: worker.clone().unbind(),
                    common,
                    listeners,
                    sendfile: config.sendfile,
                    spare: None,
                    exit_raised: false,
                },
            })),
        })
    }

    /// What the other loop has to watch for reading.
    fn fileno(&self) -> i32 {
        self.descriptor
    }

    /// Does what is ready. Gives the seconds after which it wants to be called again even if the
    /// descriptor is not readable, or None when the worker has left.
    fn turn(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        let Some(serving) = self.serving.take() else {
            // Called by the application that runs in a turn.
            return Ok(Some(0.1));
        };
        let Serving {
            engine,
            mut application,
        } = serving;
        let mut engine = engine.resume(self.worker.bind(py));
        let rest = engine.turn_nested(&mut application, |_, application| {
            Ok(application.exit_raised)
        });
        self.serving.replace(Some(Serving {
            engine: engine.park(),
            application,
        }));
        Ok(rest?.map(|rest| rest.as_secs_f64()))
    }
}

/// A WSGI application that is called from the loop's thread.
struct Inline {
    worker: Py<PyAny>,
    common: Common,
    listeners: Vec<Listener>,
    sendfile: bool,
    spare: Option<ParkedWsgi>,
    exit_raised: bool,
}

impl Inline {
    fn with<R>(&mut self, act: impl FnOnce(&mut Wsgi<'_>) -> R) -> PyResult<R> {
        Python::attach(|py| {
            let worker = self.worker.bind(py);
            let mut wsgi = match self.spare.take() {
                Some(parked) => parked.resume(worker)?,
                None => Wsgi::new(worker, &self.common, &self.listeners, self.sendfile)?,
            };
            let result = act(&mut wsgi);
            self.exit_raised |= wsgi.exit_was_raised();
            self.spare = Some(wsgi.park());
            Ok(result)
        })
    }
}

impl Application for Inline {
    type Client = Client;

    const INLINE: bool = true;

    fn call(&mut self, request: Request<'_>, exchange: Exchange<Client>) -> Called<Client> {
        self.with(|wsgi| wsgi.call(request, exchange))
            .unwrap_or_else(|error| {
                Python::attach(|py| error.print(py));
                Called::Lost
            })
    }

    fn notice(&mut self, notice: Notice<'_>) {
        let told = self.with(|wsgi| wsgi.notice(notice));
        if let Err(error) = told {
            Python::attach(|py| error.print(py));
        }
    }

    fn turned(&mut self, now: Moment) -> Option<Moment> {
        self.with(|wsgi| wsgi.turned(now)).ok().flatten()
    }
}
