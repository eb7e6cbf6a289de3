"""Compare WebSockets with uvicorn's: echoed messages a second, CPU a message, memory at rest.

    .venv/bin/python bench/websocket.py [--python PYTHON] [--rounds N] [--seconds N]

PYTHON is an interpreter that has oxicorn, uvicorn, uvloop, websockets and wsproto. One worker each,
all in one run, rounds interleaved; the server on one processor, the load on another.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from targets import WEBSOCKET_RATE

ROOT = Path(__file__).resolve().parent.parent
LOAD = ROOT / "target/release/examples/load"
APPLICATION = "websocket_app:app"
TICKS = os.sysconf("SC_CLK_TCK")
DEADLINE = 30.0

OXICORN = "-m oxicorn -k asgi --asgi-loop uvloop --worker-connections 20000 -b 127.0.0.1:{port}"
UVICORN = "-m uvicorn --loop uvloop --no-access-log --log-level warning --port {port} --ws "
SERVERS = {
    "oxicorn": OXICORN,
    "uvicorn, websockets": UVICORN + "websockets",
    "uvicorn, websockets-sansio": UVICORN + "websockets-sansio",
    "uvicorn, wsproto": UVICORN + "wsproto",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--bytes", type=int, default=64)
    parser.add_argument("--resting", type=int, default=5000)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    build = ["cargo", "build", "-q", "--release", "-p", "oxicorn-websocket", "--example", "load"]
    subprocess.run(build, cwd=ROOT, check=True)
    for connections in 1, 100:
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in SERVERS}
        for _ in range(options.rounds):
            for name in SERVERS:
                with serving(name, options.python) as (port, pid):
                    figures[name].append(echo(port, pid, connections, options))
        print(f"\necho, {connections} connections, {options.bytes} bytes")
        rates = {}
        for name, rounds in figures.items():
            rate, cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
            rates[name] = rate
            print(f"  {name:28} {rate:9.0f} messages/s {cpu:7.1f} CPU µs a message")
        ratio = rates.pop("oxicorn") / max(rates.values())
        verdict = "met" if ratio >= WEBSOCKET_RATE else "MISSED"
        print(f"  {ratio:.2f} times uvicorn's best rate; at least {WEBSOCKET_RATE}: {verdict}")
    print(f"\n{options.resting} connections at rest")
    for name in SERVERS:
        with serving(name, options.python) as (port, pid):
            print(f"  {name:28} {rest(port, pid, options.resting):7.1f} KiB each")


@contextlib.contextmanager
def serving(name: str, python: str) -> Iterator[tuple[int, int]]:
    """A server on the first processor; its port and the process that serves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [python, *SERVERS[name].format(port=port).split(), APPLICATION]
    server = subprocess.Popen(
        command,
        cwd=ROOT / "bench/apps",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    )
    try:
        wait_for(port, server)
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        yield port, int(children[0]) if children else server.pid
    finally:
        server.terminate()
        server.wait(DEADLINE)


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + DEADLINE
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as probe:
                probe.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                if probe.recv(1):
                    return
        except OSError:
            if server.poll() is not None or time.monotonic() > end:
                raise
        time.sleep(0.05)


def load(*words: object) -> list[str]:
    return [str(word) for word in ("taskset", "-c", max(os.sched_getaffinity(0)), LOAD, *words)]


def echo(port: int, pid: int, connections: int, options: argparse.Namespace) -> tuple[float, float]:
    """Messages a second, and CPU microseconds of the server for each."""
    words = ("echo", connections, options.seconds, options.bytes)
    before = cpu_seconds(pid)
    output = subprocess.check_output(load(f"127.0.0.1:{port}", *words), text=True)
    messages, seconds = (float(word) for word in output.split())
    return messages / seconds, (cpu_seconds(pid) - before) / messages * 1e6


def rest(port: int, pid: int, count: int) -> float:
    """KiB of the server's memory for each connection that rests after its handshake."""
    before = resident(pid)
    command = load(f"127.0.0.1:{port}", "rest", count)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == f"{count} open".encode()
        return (resident(pid) - before) / count


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


if __name__ == "__main__":
    main()
