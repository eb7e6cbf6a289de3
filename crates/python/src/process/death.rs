//! A worker's death as Python logs it: a line for people, fields for programs.

use std::time::Duration;

use oxicorn_arbiter::DeathReport;
use oxicorn_sys::scoreboard::InFlight;
use oxicorn_sys::signals;
use oxicorn_sys::wait::Death;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// Gives `report` to the arbiter object.
pub fn log(arbiter: &Bound<'_, PyAny>, report: &DeathReport) -> PyResult<()> {
    let py = arbiter.py();
    let fields = fields(py, report)?;
    arbiter.call_method1(intern!(py, "report_death"), (report.to_string(), fields))?;
    Ok(())
}

fn fields<'py>(py: Python<'py>, report: &DeathReport) -> PyResult<Bound<'py, PyDict>> {
    let ended = &report.ended;
    let worker = PyDict::new(py);
    worker.set_item("number", ended.age)?;
    worker.set_item("pid", ended.pid)?;
    match ended.death {
        Death::Code(code) => worker.set_item("exit_code", code)?,
        Death::Signal(number) => worker.set_item("signal", signals::name(number))?,
    }
    worker.set_item("cause", report.cause.word())?;
    worker.set_item("out_of_memory", report.cause.out_of_memory())?;
    worker.set_item("age_s", rounded(ended.lived))?;
    worker.set_item("requests", report.requests)?;
    worker.set_item(
        "rss_bytes",
        Some(report.rss_kib).filter(|kib| *kib > 0).map(bytes),
    )?;
    worker.set_item("rss_hour_ago_bytes", report.rss_hour_ago_kib.map(bytes))?;
    let requests = PyList::empty(py);
    for (request, age) in &report.in_flight {
        requests.append(self::request(py, request, *age)?)?;
    }
    worker.set_item("in_flight", requests)?;
    worker.set_item("in_flight_unlisted", report.unlisted)?;
    let fields = PyDict::new(py);
    fields.set_item("event.name", "worker.death")?;
    fields.set_item("worker", worker)?;
    Ok(fields)
}

/// A request in flight, as logs show it.
pub fn request<'py>(
    py: Python<'py>,
    request: &InFlight,
    age: Duration,
) -> PyResult<Bound<'py, PyDict>> {
    let entry = PyDict::new(py);
    entry.set_item("method", request.method.escape_ascii().to_string())?;
    entry.set_item("target", request.target.escape_ascii().to_string())?;
    entry.set_item("client", request.peer.escape_ascii().to_string())?;
    entry.set_item("age_s", rounded(age))?;
    entry.set_item("phase", request.phase.word())?;
    Ok(entry)
}

fn bytes(kib: u64) -> u64 {
    kib.saturating_mul(1024)
}

fn rounded(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}
