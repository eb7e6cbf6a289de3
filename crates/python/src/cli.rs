//! The command `oxicorn`: from the words of the command line to an exit status.

use oxicorn_config::command_line::CommandLine;
use pyo3::exceptions::{PyRuntimeError, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::config;

/// Exit status for a configuration or an application that cannot be used.
const FAILED: i32 = 1;

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
            let stream = if stop.status == 0 { "stdout" } else { "stderr" };
            py.import("sys")?
                .getattr(stream)?
                .call_method1("write", (stop.text,))?;
            Err(PySystemExit::new_err(stop.status))
        }
    }
}

fn print_error(py: Python<'_>, text: &str) -> PyResult<()> {
    let stream = py.import("sys")?.getattr("stderr")?;
    stream.call_method1("write", (format!("{text}\n"),))?;
    stream.call_method0("flush")?;
    Ok(())
}
