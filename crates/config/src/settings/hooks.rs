use crate::{Fallback, Kind, Section, Setting};

const fn hook(name: &'static str, arity: &'static [u8], help: &'static str) -> Setting {
    Setting {
        name,
        section: Section::ServerHooks,
        kind: Kind::Hook { arity },
        default: Fallback::Hook,
        help,
        ..Setting::BLANK
    }
}

/// Its moment never comes as long as the settings that bring it about are refused.
const fn dirty(name: &'static str, arity: &'static [u8], help: &'static str) -> Setting {
    Setting {
        section: Section::DirtyArbiterHooks,
        ..hook(name, arity, help)
    }
}

pub const SERVER_SETTINGS: &[Setting] = &[
    hook(
        "on_starting",
        &[1],
        "`(server)`: master, after the pid file is written and before sockets are opened.",
    ),
    hook(
        "on_reload",
        &[1],
        "`(server)`: master, on HUP, before new workers are started.",
    ),
    hook(
        "when_ready",
        &[1],
        "`(server)`: master, once, when the sockets are open and before the first worker.",
    ),
    hook(
        "pre_fork",
        &[2],
        "`(server, worker)`: master, before each worker is forked.",
    ),
    hook(
        "post_fork",
        &[2],
        "`(server, worker)`: worker, right after the fork and before the user is switched.",
    ),
    hook(
        "post_worker_init",
        &[1],
        "`(worker)`: worker, when the application is loaded.",
    ),
    hook("worker_int", &[1], "`(worker)`: worker, on INT or QUIT."),
    hook(
        "worker_abort",
        &[1],
        "`(worker)`: worker, on ABRT, usually because of the timeout.",
    ),
    hook(
        "pre_exec",
        &[1],
        "`(server)`: forked child of the master on USR2, before it becomes the new master.",
    ),
    hook(
        "pre_request",
        &[2],
        "`(worker, request)`: worker, before the application is called.",
    ),
    hook(
        "post_request",
        &[4, 3, 2],
        "`(worker, request, environ, response)`, or the first three or two: worker, after the response.",
    ),
    hook(
        "child_exit",
        &[2],
        "`(server, worker)`: master, after a worker ended, except when it could not start.",
    ),
    hook(
        "worker_exit",
        &[2],
        "`(server, worker)`: worker, the last thing before it ends.",
    ),
    hook(
        "nworkers_changed",
        &[3],
        "`(server, new, old)`: master, whenever the number of workers is set.",
    ),
    hook(
        "on_exit",
        &[1],
        "`(server)`: master, the last thing of a shutdown.",
    ),
    // Called for TLS only, and TLS settings are refused so far.
    hook(
        "ssl_context",
        &[2],
        "`(config, factory)`: returns the `ssl.SSLContext` of the listeners.",
    ),
];

pub const DIRTY_SETTINGS: &[Setting] = &[
    dirty(
        "on_dirty_starting",
        &[1],
        "`(arbiter)`: arbiter of the background workers, before its loop.",
    ),
    dirty(
        "dirty_post_fork",
        &[2],
        "`(arbiter, worker)`: that arbiter, after each background worker is forked.",
    ),
    dirty(
        "dirty_worker_init",
        &[1],
        "`(worker)`: background worker, when its classes are loaded.",
    ),
    dirty(
        "dirty_worker_exit",
        &[2],
        "`(arbiter, worker)`: that arbiter, after a background worker ended.",
    ),
];
