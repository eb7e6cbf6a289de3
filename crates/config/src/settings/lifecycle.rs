//! Our own: how workers are replaced, and how they leave.

use crate::{Const, Conversion, Fallback, Kind, Section, Setting};

const ENTRY: Setting = Setting {
    section: Section::WorkerProcesses,
    own: true,
    ..Setting::BLANK
};

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "max_surge",
        flags: &["--max-surge"],
        metavar: "COUNT",
        conversion: Conversion::Decimal,
        kind: Kind::COUNT,
        default: Fallback::Value(Const::Int(0)),
        help: "Processes beyond workers that may exist while workers are replaced; 0: as many as workers.",
        details: "A reload starts one worker of the new generation, and when it serves the others. \
            Where memory is short they can be started one after the other: with 1 there is never \
            more than one process more than `workers`, those included that finish their last \
            requests. A worker that died is replaced in any case. Recycling replaces one worker at \
            a time anyway.",
        ..ENTRY
    },
    Setting {
        name: "max_worker_memory",
        flags: &["--max-worker-memory"],
        metavar: "BYTES",
        kind: Kind::Size,
        default: Fallback::Value(Const::Int(0)),
        help: "Resident memory above which a worker is replaced, such as 512M; 0: never.",
        details: "Looked at once a second. Each worker has a limit that is up to a tenth lower, \
            drawn at random, so that they are not all replaced at the same time. One worker is \
            replaced after the other, and each serves until its replacement is ready. Not a hard \
            limit: that is for a cgroup.",
        ..ENTRY
    },
    Setting {
        name: "max_worker_lifetime",
        flags: &["--max-worker-lifetime"],
        metavar: "SECONDS",
        conversion: Conversion::Decimal,
        kind: Kind::COUNT,
        default: Fallback::Value(Const::Int(0)),
        help: "Age at which a worker is replaced; 0: never.",
        details: "Up to a tenth shorter, drawn at random for each worker. Replaced as with \
            `max_worker_memory`.",
        ..ENTRY
    },
    Setting {
        name: "drain_delay",
        flags: &["--drain-delay"],
        metavar: "SECONDS",
        conversion: Conversion::Decimal,
        kind: Kind::COUNT,
        default: Fallback::Value(Const::Int(0)),
        help: "How long the server accepts and serves as before after TERM.",
        details: "For load balancers that learn late that it ends, as in Kubernetes. systemd is told at \
            the start of it. A second TERM ends it. `graceful_timeout` begins after it.",
        ..ENTRY
    },
    Setting {
        name: "first_byte_timeout",
        flags: &["--first-byte-timeout"],
        metavar: "MILLISECONDS",
        conversion: Conversion::Decimal,
        kind: Kind::COUNT,
        default: Fallback::Value(Const::Int(500)),
        help: "How long a leaving worker waits for connections without a request, in milliseconds.",
        details: "A request may be on its way on a connection that is new or kept alive; one that comes \
            within this time is answered, and the connection closed. Connections that are silent are \
            closed after it. Kept ones are given to other workers first, if there are any.",
        ..ENTRY
    },
];
