//! The command `oxicorn`: from the words of the command line to an exit status.

use oxicorn_config::command_line::CommandLine;
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::config;

/// Exit status for a configuration or an application that cannot be used.
const FAILED: i32 = 1;

/// Exit status for a start that was broken off with Ctrl-C: 128 + SIGINT, as shells say it.
const INTERRUPTED: i32 = 130;

/// Adds what this module gives to Python.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add_function(wrap_pyfunction!(run, module)?)?;
    module.add_function(wrap_pyfunction!(parse_args, module)?)?;
    Ok(())
}

/// Does what the command line says. The first word is the name of the program.
#[pyfunction]
fn main(py: Python<'_>, argv: Vec<String>) -> PyResult<i32> {
    let words = argv.get(1..).unwrap_or_default();
    let application = py
        .import("oxicorn.app")?
        .getattr("Application")
        .and_then(|class| {
            let arguments = PyDict::new(py);
            arguments.set_item("arguments", words)?;
            class.call((), Some(&arguments))
        });
    match application {
        Ok(application) => run(&application),
        Err(error) => explained(py, error),
    }
}

/// Serves an application, or only looks at it and its configuration if that is what the
/// configuration says.
#[pyfunction]
fn run(app: &Bound<'_, PyAny>) -> PyResult<i32> {
    let py = app.py();
    serve_or_check(app).or_else(|error| explained(py, error))
}

fn serve_or_check(app: &Bound<'_, PyAny>) -> PyResult<i32> {
    let py = app.py();
    let cfg = app.getattr(intern!(py, "cfg"))?;
    let check: bool = cfg.getattr(intern!(py, "check_config"))?.is_truthy()?;
    let print: bool = cfg.getattr(intern!(py, "print_config"))?.is_truthy()?;
    if print {
        py.import("builtins")?.call_method1("print", (&cfg,))?;
    }
    if check {
        config::refuse_unfinished(&cfg)?;
    }
    if check || print {
        return load(app);
    }
    if cfg.getattr(intern!(py, "spew"))?.is_truthy()? {
        py.import("oxicorn.spew")?.call_method0("install")?;
    }
    crate::process::run(py, app)
}

/// Imports the application to see whether it can be served.
fn load(app: &Bound<'_, PyAny>) -> PyResult<i32> {
    match app.call_method0(intern!(app.py(), "wsgi")) {
        Ok(_) => Ok(0),
        Err(error) => {
            print_error(app.py(), "Error while loading the application:\n")?;
            error.print(app.py());
            Ok(FAILED)
        }
    }
}

/// Mistakes of the operator end with one line, everything else with a traceback.
fn explained(py: Python<'_>, error: PyErr) -> PyResult<i32> {
    if error.is_instance_of::<PyKeyboardInterrupt>(py) {
        return Ok(INTERRUPTED);
    }
    let config_error = py.import("oxicorn.errors")?.getattr("ConfigError")?;
    if !error.is_instance(py, &config_error) && !error.is_instance_of::<PyRuntimeError>(py) {
        return Err(error);
    }
    print_error(py, &format!("Error: {}", error.value(py)))?;
    Ok(FAILED)
}

/// Reads words of a command line: settings by name, and the other words. Help, version and mistakes
/// are printed and end the program.
#[pyfunction]
fn parse_args(py: Python<'_>, words: Vec<String>) -> PyResult<(Bound<'_, PyDict>, Vec<String>)> {
    match CommandLine::parse(&words) {
        Ok(line) => Ok((config::options(py, &line.options)?, line.arguments)),
        Err(stop) => {
            let (stream, status) = match stop.status() {
                0 => ("stdout", 0),
                mistake => ("stderr", mistake),
            };
            let text = stop.text(terminal_width(py));
            py.import("sys")?
                .getattr(stream)?
                .call_method1("write", (text,))?;
            Err(PySystemExit::new_err(status))
        }
    }
}

/// Columns of the terminal that standard output goes to; `None` if it goes elsewhere.
fn terminal_width(py: Python<'_>) -> Option<usize> {
    let size = py.import("os").ok()?.call_method0("get_terminal_size");
    size.ok()?.getattr("columns").ok()?.extract().ok()
}

fn print_error(py: Python<'_>, text: &str) -> PyResult<()> {
    let stream = py.import("sys")?.getattr("stderr")?;
    stream.call_method1("write", (format!("{text}\n"),))?;
    stream.call_method0("flush")?;
    Ok(())
}
