use crate::{Action, Const, Conversion, Fallback, Kind, Section, Setting};

const ENTRY: Setting = Setting {
    section: Section::WorkerProcesses,
    ..Setting::BLANK
};
const NUMBER: Setting = Setting {
    metavar: "INT",
    conversion: Conversion::Decimal,
    kind: Kind::COUNT,
    ..ENTRY
};
const SECONDS: Setting = Setting {
    metavar: "SECONDS",
    ..NUMBER
};

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "workers",
        flags: &["-w", "--workers"],
        metavar: "INT|auto",
        conversion: Conversion::DecimalOr("auto"),
        kind: Kind::Workers,
        default: Fallback::Value(Const::Int(1)),
        variable: Some("WEB_CONCURRENCY"),
        help: "Number of worker processes; auto: one for each usable processor.",
        details: "`auto`, which Gunicorn does not have, counts the processors that this process \
            may use: its affinity and the quota of its cgroup (versions 1 and 2; rounded down, at \
            least 1), not all that the machine has. It is counted again on HUP. TTIN and TTOU \
            change the number until then.",
        ..NUMBER
    },
    Setting {
        name: "worker_class",
        flags: &["-k", "--worker-class"],
        metavar: "CLASS",
        kind: Kind::Class,
        default: Fallback::Value(Const::Str("sync")),
        help: "How a worker runs the application: sync, gthread, gevent, eventlet, tornado, or a class of yours.",
        details: "A name or the dotted path of a class. gevent, eventlet and tornado are packages of their own: \
            `pip install oxicorn[gevent]`. Gunicorn's asgi is refused at start until it is supported.",
        ..ENTRY
    },
    Setting {
        name: "threads",
        flags: &["--threads"],
        default: Fallback::Value(Const::Int(1)),
        help: "Threads of a worker that run the application; more than one makes it gthread.",
        ..NUMBER
    },
    Setting {
        name: "worker_connections",
        flags: &["--worker-connections"],
        default: Fallback::Value(Const::Int(1000)),
        help: "How many connections one worker holds open.",
        ..NUMBER
    },
    Setting {
        name: "max_requests",
        flags: &["--max-requests"],
        default: Fallback::Value(Const::Int(0)),
        help: "Requests after which a worker is replaced; 0: never.",
        details: "Errors of the application count, malformed requests do not. The worker serves on \
            until its replacement is ready, so it answers some more. One worker is replaced after \
            the other.",
        ..NUMBER
    },
    Setting {
        name: "max_requests_jitter",
        flags: &["--max-requests-jitter"],
        default: Fallback::Value(Const::Int(0)),
        help: "Adds a random number up to this to max_requests.",
        details: "Drawn once for each worker, so that they are not all replaced at the same time.",
        ..NUMBER
    },
    Setting {
        name: "timeout",
        flags: &["-t", "--timeout"],
        default: Fallback::Value(Const::Int(30)),
        help: "How long a request may take, and a worker be silent; 0: forever.",
        details: "A request whose response has not begun by then is answered with 504, the log gets the \
            Python stack of its thread, and its worker is replaced. Other requests of a gthread worker \
            are finished. The task of an asgi request is cancelled; its worker is replaced only if the task \
            does not end then. Third-party worker classes are aborted when they are silent for so long.",
        ..SECONDS
    },
    Setting {
        name: "graceful_timeout",
        flags: &["--graceful-timeout"],
        default: Fallback::Value(Const::Int(30)),
        help: "How long requests may go on after a stop or reload began.",
        ..SECONDS
    },
    Setting {
        name: "keepalive",
        flags: &["--keep-alive"],
        default: Fallback::Value(Const::Int(75)),
        help: "How long an idle connection waits for another request; 0: close.",
        details: "Longer than the idle time of usual load balancers, which otherwise send \
            requests into connections that are being closed. Gunicorn's default is 2, and its \
            sync workers always close: `--keep-alive 0` does the same here.",
        ..SECONDS
    },
    Setting {
        name: "max_queue",
        flags: &["--max-queue"],
        default: Fallback::Value(Const::Int(0)),
        own: true,
        help: "How many requests may wait in a worker for one that takes long; 0: any number.",
        details: "Further ones are answered with 503 and `Retry-After: 1` at once. New connections \
            count from when they are accepted, which is at once as well. With it or \
            max_queue_time a worker takes connections even while it is busy. For sync and \
            gthread, whose requests wait while all threads are busy.",
        ..NUMBER
    },
    Setting {
        name: "max_queue_time",
        flags: &["--max-queue-time"],
        metavar: "MILLISECONDS",
        default: Fallback::Value(Const::Int(0)),
        own: true,
        help: "How long a request may wait before it is started, in milliseconds; 0: forever.",
        details: "One that has waited for longer is answered with 503 and `Retry-After: 1`.",
        ..NUMBER
    },
    Setting {
        name: "handoff",
        flags: &["--no-handoff"],
        action: Action::Set(false),
        kind: Kind::Bool,
        default: Fallback::Value(Const::Bool(true)),
        own: true,
        help: "Let idle workers take over what waits for busy ones; the flag forbids it.",
        details: "A worker whose request takes longer than about a millisecond gives its other \
            connections that have something to say to workers that have time, and a worker that \
            leaves gives them those that are idle.",
        ..ENTRY
    },
    Setting {
        name: "asgi_loop",
        flags: &["--asgi-loop"],
        metavar: "NAME",
        kind: Kind::Choice {
            words: &["auto", "asyncio", "uvloop", "rloop"],
            exact: false,
        },
        default: Fallback::Value(Const::Str("auto")),
        help: "Event loop of asgi workers: auto, asyncio, uvloop or rloop.",
        details: "`auto` is uvloop where it is installed, else asyncio. rloop is not known to Gunicorn.",
        ..ENTRY
    },
    Setting {
        name: "asgi_lifespan",
        flags: &["--asgi-lifespan"],
        metavar: "MODE",
        kind: Kind::Choice {
            words: &["auto", "on", "off"],
            exact: false,
        },
        default: Fallback::Value(Const::Str("auto")),
        help: "Lifespan protocol of asgi workers: auto, on or off.",
        details: "`auto` goes on without it if the application does not take part; with `on` that \
            is a failure of the start. An application that says that its startup failed does not \
            start either way.",
        ..ENTRY
    },
    Setting {
        name: "asgi_disconnect_grace_period",
        flags: &["--asgi-disconnect-grace-period"],
        default: Fallback::Value(Const::Int(3)),
        help: "How long an asgi request goes on after its client left.",
        ..SECONDS
    },
    Setting {
        name: "websocket_max_message_size",
        flags: &["--websocket-max-message-size"],
        metavar: "BYTES",
        default: Fallback::Value(Const::Int(16_777_216)),
        help: "Largest WebSocket message; 0: no limit.",
        details: "In bytes, after decompression. A larger one closes the WebSocket with code 1009.",
        ..NUMBER
    },
    Setting {
        name: "websocket_compression",
        flags: &["--no-websocket-compression"],
        action: Action::Set(false),
        kind: Kind::Bool,
        default: Fallback::Value(Const::Bool(true)),
        own: true,
        help: "Do not compress WebSocket messages.",
        details: "Otherwise permessage-deflate is agreed upon with clients that offer it.",
        ..ENTRY
    },
    Setting {
        name: "websocket_ping_interval",
        flags: &["--websocket-ping-interval"],
        default: Fallback::Value(Const::Int(20)),
        own: true,
        help: "Silence after which a WebSocket client is pinged; 0: never.",
        details: "Anything that the client sends counts, not its pongs alone.",
        ..SECONDS
    },
    Setting {
        name: "websocket_ping_timeout",
        flags: &["--websocket-ping-timeout"],
        default: Fallback::Value(Const::Int(20)),
        own: true,
        help: "Silence after a ping that ends a WebSocket; 0: it is never ended for that.",
        ..SECONDS
    },
    Setting {
        name: "http_parser",
        flags: &["--http-parser"],
        metavar: "NAME",
        kind: Kind::Choice {
            words: &["auto", "fast", "python"],
            exact: false,
        },
        default: Fallback::Value(Const::Str("auto")),
        help: "Accepted for compatibility; there is one parser.",
        details: "`auto`, `fast` and `python` all mean the parser of the Rust core.",
        ..ENTRY
    },
];
