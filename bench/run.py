"""Compare oxicorn with its peers, all in one run: `make bench`, or see `--help`.

Rounds are interleaved (every server once, then again), so that a machine that gets slower or
faster meanwhile does so for everybody; the figures are medians over the rounds. With --paired oxicorn
and one peer at a time share a core, so that noise hits both alike: for machines that are never quiet.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TypeVar

import peers_asgi
import report
import workloads_asgi
from check import Wrong
from install import NotInstalled, install_framework, program_of, version_of
from load import LoadFailed, require_wrk
from measure import WARM_UP_SECONDS, Conditions, Round, choose_cores, run_pair, run_round
from pairs import Pair, PairedResults
from peers import BENCH, FLOOR, OXICORN, ROOT, SERVERS, Server
from process import ServerFailed
from results import Outcome, Results
from targets import targets
from workloads import WORKLOADS, Workload

Named = TypeVar("Named", Server, Workload)
# Start, check and end of a server: only for the estimate that is printed.
OVERHEAD_SECONDS = 1.0


def main() -> int:
    """Exit status: 1 if nothing could be measured, or with --check if a target was missed."""
    options = parse(sys.argv[1:])
    # So that `kill` on the comparison ends its servers too, by way of their `__exit__`.
    signal.signal(signal.SIGTERM, leave)
    try:
        require_wrk()
        cores = choose_cores()
    except LoadFailed as error:
        return fail(str(error))
    conditions = Conditions(options.seconds, options.connections, *cores)
    kind = PairedResults if options.paired else Results
    results = kind(conditions, versions={}, missing={})
    programs = install(options.servers, options.oxicorn, results)
    if not programs:
        return fail("none of the servers could be installed")
    if options.paired and (OXICORN not in programs or len(programs) < 2):
        return fail(f"--paired: of {', '.join(programs)} alone there is no pair with {OXICORN}")
    for framework in {workload.framework for workload in options.workloads} - {""}:
        try:
            install_framework(framework)
        except NotInstalled as error:
            return fail(str(error))
    servers = [server for server in options.servers if server.name in programs]
    announce(servers, options)
    for workload in options.workloads:
        results.workloads.append(workload)
        if isinstance(results, PairedResults):
            pairs = compare_pairs(workload, servers, programs, options, conditions)
            results.pairs[workload.name] = pairs
            continue
        results.outcomes[workload.name] = compare(workload, servers, programs, options, conditions)
    write(results, options)
    return int(options.check and any(not target.met for target in targets(results)))


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line, with servers and workloads resolved."""
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__)
    add = parser.add_argument
    add("--interface", choices=("wsgi", "asgi"), default="wsgi", help="of the applications [wsgi]")
    add("--servers", default="", help=_choices(SERVERS))
    add("--workloads", default="", help=_choices(WORKLOADS))
    add("--paired", action="store_true", help="oxicorn and one peer at a time, on one core")
    add("--rounds", type=_positive, default=5, help="of every server in every workload [5]")
    add("--seconds", type=_positive, default=3, help="of load in a round [3]")
    add("--connections", type=_positive, default=50, help="held open by wrk [50]")
    add("--quick", action="store_true", help="one round of one second: does everything work?")
    add("--oxicorn", type=Path, default=ROOT / ".venv/bin/oxicorn", help="the command to measure")
    add("--json", type=Path, help="where the figures go [bench/results/TIME.json]")
    add("--markdown", type=Path, help="write the tables there as well, for the documentation")
    add("--check", action="store_true", help="exit with 1 if oxicorn misses a target")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds = options.seconds = 1
    try:
        is_asgi = options.interface == "asgi"
        servers = peers_asgi.SERVERS if is_asgi else SERVERS
        workloads = workloads_asgi.WORKLOADS if is_asgi else WORKLOADS
        options.servers = choose(servers, options.servers)
        options.workloads = choose(workloads, options.workloads)
        if options.paired:
            options.servers = with_oxicorn(servers, options.servers)
            if waiting := [one.name for one in options.workloads if one.waits]:
                raise ValueError(f"--paired: {', '.join(waiting)} measures waiting, not CPU")
    except ValueError as error:
        parser.error(str(error))
    return options


def choose(known: Sequence[Named], names: str) -> list[Named]:
    """Those asked for; without a wish all but the extras."""
    if not names:
        return [item for item in known if not item.extra]
    if names == "all":
        return list(known)
    by_name = {item.name: item for item in known}
    wanted = names.split(",")
    if unknown := [name for name in wanted if name not in by_name]:
        raise ValueError(f"{', '.join(unknown)}: expected some of {', '.join(by_name)}")
    return [by_name[name] for name in wanted]


def with_oxicorn(known: Sequence[Server], chosen: list[Server]) -> list[Server]:
    """Oxicorn is one of each pair, named or not."""
    ours = next(server for server in known if server.name == OXICORN)
    peers = [server for server in chosen if server is not ours]
    if not peers:
        raise ValueError(f"--paired: expected another server beside {OXICORN} in --servers")
    return [ours, *peers]


def install(servers: list[Server], oxicorn: Path, results: Results) -> dict[str, Path]:
    """Get every server; one that cannot be got is named and left out."""
    programs = {}
    for server in servers:
        try:
            program = program_of(server, oxicorn)
        except NotInstalled as error:
            print(f"without {server.name}: {error}", file=sys.stderr)
            results.missing[server.name] = str(error).splitlines()[0]
            continue
        programs[server.name] = program
        results.versions[server.name] = version_of(server, program)
    return programs


def compare(
    workload: Workload,
    servers: list[Server],
    programs: dict[str, Path],
    options: argparse.Namespace,
    conditions: Conditions,
) -> dict[str, Outcome]:
    """All rounds of one workload. A server that fails once is not timed again."""
    able = able_to(workload, servers)
    outcomes = {server.name: Outcome() for server in able}
    for number in range(1, options.rounds + 1):
        for server in able:
            outcome = outcomes[server.name]
            if outcome.wrong:
                continue
            where = f"{workload.name}, round {number} of {options.rounds}, {server.name}"
            try:
                figures = run_round(server, programs[server.name], workload, conditions)
            except (Wrong, ServerFailed, LoadFailed) as error:
                outcome.wrong = str(error)
                tell(f"{where}: {error}")
                continue
            outcome.rounds.append(figures)
            said = f"{figures.cpu_us:.2f} µs, {figures.requests_a_second:,.0f} req/s"
            tell(f"{where}: {said}{remark(figures)}")
    return outcomes


def compare_pairs(
    workload: Workload,
    servers: list[Server],
    programs: dict[str, Path],
    options: argparse.Namespace,
    conditions: Conditions,
) -> dict[str, Pair]:
    """The same in pairs: the first of the servers is in each of them. A pair that fails once is not timed again."""
    ours, *peers = servers
    able = able_to(workload, peers)
    pairs = {peer.name: Pair() for peer in able}
    for number in range(1, options.rounds + 1):
        for peer in able:
            pair = pairs[peer.name]
            if pair.wrong:
                continue
            where = f"{workload.name}, round {number} of {options.rounds}, {peer.name}"
            both = [(server, programs[server.name]) for server in (ours, peer)]
            try:
                own, other = run_pair(both[0], both[1], workload, conditions)
            except (Wrong, ServerFailed, LoadFailed) as error:
                pair.wrong = str(error)
                tell(f"{where}: {error}")
                continue
            pair.add(own, other)
            said = f"{own.cpu_us:.2f}{remark(own)} / {other.cpu_us:.2f} µs{remark(other)}"
            tell(f"{where}: {said} = {pair.ratios('cpu_us')[-1]:.3f}")
    return pairs


def able_to(workload: Workload, servers: list[Server]) -> list[Server]:
    """Those that can be asked for it."""
    return [
        server
        for server in servers
        if (workload.floor or server.name != FLOOR) and (server.threaded or not workload.waits)
    ]


def remark(figures: Round) -> str:
    """What went wrong in a round, for the line about it."""
    return f" ({figures.complaint})" if figures.complaint else ""


def announce(servers: list[Server], options: argparse.Namespace) -> None:
    """Say how long it takes."""
    a_round = options.seconds + WARM_UP_SECONDS + OVERHEAD_SECONDS
    starts = len(servers) - 1 if options.paired else len(servers)
    minutes = starts * len(options.workloads) * options.rounds * a_round / 60
    tell(f"{len(servers)} servers, about {minutes:.0f} min")


def tell(line: str) -> None:
    """Progress, as it comes."""
    print(line, file=sys.stderr, flush=True)


def write(results: Results, options: argparse.Namespace) -> None:
    """The tables to standard output, the figures to a file."""
    print(report.plain(results))
    path = options.json or BENCH / "results" / time.strftime("%Y-%m-%dT%H%M%S.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results.as_json(), indent=1) + "\n")
    print(f"figures: {path}")
    if options.markdown:
        options.markdown.write_text(report.markdown(results))


def fail(message: str) -> int:
    """One line, and the exit status."""
    print(f"bench: {message}", file=sys.stderr)
    return 1


def _choices(known: Sequence[Server] | Sequence[Workload]) -> str:
    usual = ", ".join(item.name for item in known if not item.extra)
    extra = ", ".join(item.name for item in known if item.extra)
    return f"comma-separated [{usual}]; also {extra}, or all"


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number from 1 on")
    return int(text)


def leave(number: int, frame: FrameType | None) -> None:
    """What a signal does that is to end the comparison."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
