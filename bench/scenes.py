"""Play scenes with several servers, all in one run, and tell what users noticed; see README.md.

Something happens to a server under load: a reload, a shutdown, a crash, a request that hangs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from install import NotInstalled, program_of, version_of
from peers import BENCH, ROOT
from process import ServerFailed
from report import Table, markdown_table, plain_table
from results import machine
from run import fail, leave
from scene import crash, dispatch, drain, hang, overload, recycle, reload, upgrade
from scene.figures import Figures, Scene, shown
from scene.servers import SERVERS, Server
from scene.stage import Stage
from scene.targets import targets

MODULES = (dispatch, reload, drain, upgrade, recycle, hang, crash, overload)
SCENES: tuple[Scene, ...] = tuple(scene for module in MODULES for scene in module.SCENES)
Outcomes = dict[str, dict[str, Figures]]
"""By scene, then by server."""


def main() -> int:
    """Exit status: 1 if nothing could be played, or with --check if a target was missed."""
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, leave)
    programs, versions, missing = install(options)
    if not programs:
        return fail("none of the servers could be installed")
    outcomes: Outcomes = {}
    for scene in options.scenes:
        outcomes[scene.name] = play(scene, programs, options)
        print(plain_table(table(scene, outcomes[scene.name])) + "\n", flush=True)
    write(outcomes, versions, missing, options)
    return int(options.check and any(not target.met for target in targets(outcomes)))


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line, with scenes and servers resolved."""
    parser = argparse.ArgumentParser(prog="bench/scenes.py", description=__doc__)
    add = parser.add_argument
    names = ", ".join(scene.name for scene in SCENES)
    add("--scenes", default="", help=f"comma-separated, the beginning is enough [{names}]")
    add(
        "--servers", default="", help=f"comma-separated [those of each scene]; {', '.join(SERVERS)}"
    )
    add("--seconds", type=float, default=10.0, help="of load, where a scene does not say [10]")
    add("--oxicorn", type=Path, default=ROOT / ".venv/bin/oxicorn", help="the command to measure")
    add("--json", type=Path, help="where the figures go [bench/results/scenes-TIME.json]")
    add("--markdown", type=Path, help="write the tables there as well, for the documentation")
    add("--check", action="store_true", help="exit with 1 if oxicorn misses a target")
    options = parser.parse_args(arguments)
    try:
        options.scenes = chosen_scenes(options.scenes)
        options.servers = chosen_servers(options.servers, options.scenes)
    except ValueError as error:
        parser.error(str(error))
    return options


def chosen_scenes(names: str) -> list[Scene]:
    """Those whose names begin with one of these."""
    wanted = names.split(",") if names else [""]
    for name in wanted:
        if not any(scene.name.startswith(name) for scene in SCENES):
            known = ", ".join(scene.name for scene in SCENES)
            raise ValueError(f"{name}: expected the beginning of one of {known}")
    return [scene for scene in SCENES if scene.name.startswith(tuple(wanted))]


def chosen_servers(names: str, scenes: Iterable[Scene]) -> list[Server]:
    """Those asked for; without a wish all that a scene is played with."""
    wanted = names.split(",") if names else list(SERVERS)
    if unknown := [name for name in wanted if name not in SERVERS]:
        raise ValueError(f"{', '.join(unknown)}: expected some of {', '.join(SERVERS)}")
    used = {name for scene in scenes for name in scene.servers}
    return [SERVERS[name] for name in wanted if name in used]


def install(options: argparse.Namespace) -> tuple[dict[str, Path], dict[str, str], dict[str, str]]:
    """Get every server: its program, its version; and why others are missing."""
    programs, versions, missing = {}, {}, {}
    for server in options.servers:
        try:
            program = program_of(server.installed, options.oxicorn)
        except NotInstalled as error:
            print(f"without {server.name}: {error}", file=sys.stderr)
            missing[server.name] = str(error).splitlines()[0]
            continue
        programs[server.name] = program
        versions[server.name] = version_of(server.installed, program)
    return programs, versions, missing


def play(
    scene: Scene, programs: dict[str, Path], options: argparse.Namespace
) -> dict[str, Figures]:
    """One scene with each server that takes part in it."""
    found = {}
    for name in scene.servers:
        if name not in programs:
            continue
        load = os.getloadavg()[0]
        print(
            f"{scene.name}, {name} (load of the machine: {load:.1f})", file=sys.stderr, flush=True
        )
        try:
            found[name] = scene.play(Stage(SERVERS[name], programs[name], options.seconds))
        except ServerFailed as error:
            found[name] = {"failed": str(error)}
    return found


def table(scene: Scene, outcomes: dict[str, Figures]) -> Table:
    """A row a server, a column a figure."""
    columns = next((list(row) for row in outcomes.values() if row and "failed" not in row), [])
    rows = [(name, *_cells(row, columns)) for name, row in outcomes.items()]
    return Table(f"{scene.title} ({scene.name})", ("server", *columns, ""), rows)


def _cells(row: Figures, columns: list[str]) -> list[str]:
    if not row:
        return [*["-"] * len(columns), "has no such thing"]
    return [*(shown(row.get(column)) for column in columns), str(row.get("failed", ""))]


def write(
    outcomes: Outcomes,
    versions: dict[str, str],
    missing: dict[str, str],
    options: argparse.Namespace,
) -> None:
    """The targets to standard output, the figures to a file."""
    tables = [table(scene, outcomes[scene.name]) for scene in options.scenes]
    standing = [
        (target.text, f"{target.measured:.2f}", f"{target.limit:.2f}", verdict(target.met))
        for target in targets(outcomes)
    ]
    if standing:
        last = Table("Targets of oxicorn", ("of", "is", "at most", ""), standing)
        tables.append(last)
        print(plain_table(last) + "\n")
    figures: dict[str, Any] = {
        "machine": machine(),
        "seconds": options.seconds,
        "versions": versions,
        "missing": missing,
        "scenes": outcomes,
    }
    path = options.json or BENCH / "results" / time.strftime("scenes-%Y-%m-%dT%H%M%S.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"figures: {path}")
    if options.markdown:
        options.markdown.write_text("\n\n".join(map(markdown_table, tables)) + "\n")


def verdict(met: bool) -> str:
    """In a word."""
    return "met" if met else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
