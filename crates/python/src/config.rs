//! The settings table as Python sees it, and the typed configuration as the core takes it from
//! Python.
//!
//! Values live on the Python side (`oxicorn.config.Config`), because hooks and classes are Python
//! objects; what they may be is decided by `oxicorn_config`.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use oxicorn_config::{
    Address, Config, ConfigError, Environment, Fallback, Kind, Origin, Setting, Value, Values,
    settings,
};
use pyo3::exceptions::PyKeyError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt, PyList, PyString, PyTuple};

/// Adds what this module gives to Python.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(table, module)?)?;
    module.add_function(wrap_pyfunction!(accept, module)?)?;
    module.add_function(wrap_pyfunction!(parse_address, module)?)?;
    module.add_function(wrap_pyfunction!(environment_arguments, module)?)?;
    Ok(())
}

/// The typed configuration from `oxicorn.config.Config`. Raises `oxicorn.errors.ConfigError` if the
/// values do not fit together or if this version does not act on one of them.
pub fn typed(cfg: &Bound<'_, PyAny>) -> PyResult<Arc<Config>> {
    let py = cfg.py();
    let environment = environment(py)?;
    let config =
        Config::from_values(&values(cfg)?, &environment).map_err(|error| raised(py, &error))?;
    Ok(Arc::new(config))
}

/// The part of [`typed`] that also `--check-config` does: no setting would be ignored.
pub fn refuse_unfinished(cfg: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = cfg.py();
    values(cfg)?
        .refuse_unfinished(&environment(py)?)
        .map_err(|error| raised(py, &error))
}

/// Every setting of the table, as keyword arguments for `oxicorn.config.Setting`.
#[pyfunction]
#[pyo3(name = "settings")]
fn table(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let environment = environment(py)?;
    settings::all()
        .map(|setting| row(py, setting, &environment))
        .collect()
}

fn row<'py>(
    py: Python<'py>,
    setting: &Setting,
    environment: &Environment,
) -> PyResult<Bound<'py, PyDict>> {
    let row = PyDict::new(py);
    let (kind, arity) = match setting.kind {
        Kind::Hook { arity } => ("hook", arity),
        Kind::User => ("user", &[][..]),
        Kind::Group => ("group", &[][..]),
        Kind::Class => ("class", &[][..]),
        _ => ("plain", &[][..]),
    };
    let origin = match setting.variable {
        Some(name) if environment.variable(name).is_some() => {
            format!("environment variable {name}")
        }
        _ => "the default".to_owned(),
    };
    row.set_item("name", setting.name)?;
    row.set_item("section", setting.section.title())?;
    row.set_item("flags", PyList::new(py, setting.flags)?)?;
    row.set_item("help", setting.help)?;
    row.set_item("kind", kind)?;
    row.set_item("arity", PyList::new(py, arity)?)?;
    row.set_item(
        "default",
        to_python(py, &setting.default_value(environment))?,
    )?;
    row.set_item("origin", origin)?;
    Ok(row)
}

/// The validated form of a value, or `oxicorn.errors.ConfigError`. What is fine as it is comes back
/// as the same object.
#[pyfunction]
fn accept<'py>(
    name: &str,
    value: Bound<'py, PyAny>,
    origin: String,
) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    let setting = settings::find(name).ok_or_else(|| PyKeyError::new_err(name.to_owned()))?;
    // Only these matter to validation: relative paths mean the directory, `auto` the processors.
    let environment = Environment {
        directory: directory(),
        processors,
        ..Environment::default()
    };
    let written = to_value(&value)?;
    let accepted = setting
        .accept(written.clone(), &Origin::Named(origin), &environment)
        .map_err(|error| raised(py, &error))?;
    if accepted == written {
        Ok(value)
    } else {
        to_python(py, &accepted)
    }
}

/// One item of `bind`: a host and port, the path of a unix socket, or a descriptor.
#[pyfunction]
fn parse_address<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    match Address::parse(text).map_err(|error| raised(py, &error))? {
        Address::Tcp { host, port } => (host, port).into_pyobject(py).map(Bound::into_any),
        Address::Unix(path) => Ok(PyString::new(py, &path).into_any()),
        Address::Fd(descriptor) => Ok(descriptor.into_pyobject(py)?.into_any()),
    }
}

/// Name and text of the environment variable with further arguments.
#[pyfunction]
fn environment_arguments(py: Python<'_>) -> PyResult<(&'static str, String)> {
    let environment = environment(py)?;
    let (name, text) = environment
        .arguments()
        .unwrap_or((Environment::ARGUMENTS[0], ""));
    Ok((name, text.to_owned()))
}

/// The error as Python raises it.
pub fn raised(py: Python<'_>, error: &ConfigError) -> PyErr {
    let instance = py
        .import(intern!(py, "oxicorn.errors"))
        .and_then(|errors| errors.getattr(intern!(py, "ConfigError")))
        .and_then(|class| class.call1((error.to_string(),)));
    match instance {
        Ok(instance) => PyErr::from_value(instance),
        Err(error) => error,
    }
}

fn values(cfg: &Bound<'_, PyAny>) -> PyResult<Values> {
    let all = cfg.getattr(intern!(cfg.py(), "settings"))?;
    let mut values = Values::default();
    for setting in settings::all() {
        let entry = all.get_item(setting.name)?;
        let value = entry.getattr(intern!(cfg.py(), "value"))?;
        let untouched = setting.default == Fallback::Hook
            && value.is(&entry.getattr(intern!(cfg.py(), "default"))?);
        let value = if untouched {
            Value::None
        } else {
            to_value(&value)?
        };
        let origin = entry.getattr(intern!(cfg.py(), "origin"))?.extract()?;
        values.restore(setting, value, Origin::Named(origin));
    }
    Ok(values)
}

fn environment(py: Python<'_>) -> PyResult<Environment> {
    let os = py.import(intern!(py, "os"))?;
    Ok(Environment {
        variables: env::vars_os()
            .map(|(name, value)| {
                (
                    name.to_string_lossy().into_owned(),
                    value.to_string_lossy().into_owned(),
                )
            })
            .collect(),
        directory: directory(),
        user: os.call_method0(intern!(py, "geteuid"))?.extract()?,
        group: os.call_method0(intern!(py, "getegid"))?.extract()?,
        processors,
    })
}

/// The processors that this process may use: by its affinity and by the quota of its cgroup.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The current directory, by the name that the shell gave it if that is still the same one.
fn directory() -> String {
    let current = env::current_dir().unwrap_or_default();
    let identity =
        |path: &std::path::Path| fs::metadata(path).map(|data| (data.dev(), data.ino())).ok();
    let named = env::var_os("PWD")
        .map(std::path::PathBuf::from)
        .filter(|path| path.is_absolute());
    let path = named
        .filter(|path| identity(path) == identity(&current))
        .unwrap_or(current);
    path.to_string_lossy().into_owned()
}

fn to_value(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    if object.is_none() {
        return Ok(Value::None);
    }
    // Before int: in Python a bool is one.
    if let Ok(flag) = object.cast::<PyBool>() {
        return Ok(Value::Bool(flag.is_true()));
    }
    if object.is_instance_of::<PyInt>()
        && let Ok(number) = object.extract()
    {
        return Ok(Value::Int(number));
    }
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(Value::Str(text.to_string_lossy().into_owned()));
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        let items = object.try_iter()?.map(|item| to_value(&item?));
        return Ok(Value::List(items.collect::<PyResult<_>>()?));
    }
    if let Ok(items) = object.cast::<PyDict>() {
        let items = items
            .iter()
            .map(|(key, item)| Ok((to_value(&key)?, to_value(&item)?)));
        return Ok(Value::Dict(items.collect::<PyResult<_>>()?));
    }
    Ok(Value::Opaque(object.repr()?.to_string_lossy().into_owned()))
}

fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        // An opaque value is never the outcome of a conversion: it comes back as the object it was.
        Value::None | Value::Opaque(_) => py.None().into_bound(py),
        Value::Bool(flag) => PyBool::new(py, *flag).to_owned().into_any(),
        Value::Int(number) => number.into_pyobject(py)?.into_any(),
        Value::Str(text) => PyString::new(py, text).into_any(),
        Value::List(items) => {
            let items = items
                .iter()
                .map(|item| to_python(py, item))
                .collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any()
        }
        Value::Dict(items) => {
            let dict = PyDict::new(py);
            for (key, item) in items {
                dict.set_item(to_python(py, key)?, to_python(py, item)?)?;
            }
            dict.into_any()
        }
    })
}

/// Converts what the command line said.
pub fn options<'py>(
    py: Python<'py>,
    options: &[(&'static str, Value)],
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in options {
        dict.set_item(name, to_python(py, value)?)?;
    }
    Ok(dict)
}
