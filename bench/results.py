"""What came out: rounds, medians, and who counts as a correct peer."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from measure import Conditions, Round
from peers import FLOOR, OWN, OXICORN
from workloads import Workload

# Above this the round shared its cores with somebody else.
NOISY = 0.05
# Below this the server waited for wrk: its CPU figure holds, its requests a second do not.
STARVED = 0.90


@dataclass
class Outcome:
    """One server in one workload."""

    rounds: list[Round] = field(default_factory=list)
    wrong: str = ""
    """Why it was not, or not further, timed."""

    @property
    def timed(self) -> bool:
        return bool(self.rounds)

    @property
    def correct(self) -> bool:
        """Answered rightly, also under load, in every round."""
        return self.timed and not self.wrong and not any(r.complaint for r in self.rounds)

    def median(self, figure: str) -> float:
        """Median over the rounds of one field of `Round`."""
        return median(getattr(r, figure) for r in self.rounds)

    def spread(self, figure: str) -> float:
        """Distance of the outermost rounds, as a share of the median."""
        values = [getattr(r, figure) for r in self.rounds]
        return (max(values) - min(values)) / (median(values) or 1.0)

    def remarks(self, workload: Workload) -> str:
        """What a reader must know beside the figures."""
        said = [self.wrong] if self.wrong else []
        said += sorted({r.complaint for r in self.rounds if r.complaint})
        if self.timed:
            if not workload.closes and not self.rounds[0].keeps_alive:
                said.append("closes after each answer")
            if self.median("server_busy") < STARVED:
                said.append(f"only {self.median('server_busy'):.0%} busy")
            if self.median("foreign_cpu") > NOISY:
                said.append(f"noise {self.median('foreign_cpu'):.0%}")
        return "; ".join(said)


@dataclass
class Results:
    """The whole comparison."""

    conditions: Conditions
    versions: dict[str, str]
    missing: dict[str, str]
    """Servers that could not be installed, with the reason."""
    workloads: list[Workload] = field(default_factory=list)
    outcomes: dict[str, dict[str, Outcome]] = field(default_factory=dict)
    """By workload, then by server."""

    @property
    def baseline(self) -> str:
        """The server that all others are divided by."""
        return OXICORN if OXICORN in self.versions else FLOOR

    def figure(self, workload: str, server: str, figure: str) -> float | None:
        """A median, None if the server was not timed there."""
        outcome = self.outcomes.get(workload, {}).get(server)
        return outcome.median(figure) if outcome and outcome.timed else None

    def share(self, workload: str, figure: str, ours: str, theirs: str) -> float | None:
        """One server's figure divided by another's, None if one of them was not timed there."""
        one, other = self.figure(workload, ours, figure), self.figure(workload, theirs, figure)
        return one / other if one and other else None

    def best_peer(self, workload: str) -> str | None:
        """The cheapest server by CPU that runs Python and made no mistake."""
        peers = {
            name: outcome.median("cpu_us")
            for name, outcome in self.outcomes.get(workload, {}).items()
            if name not in (*OWN, FLOOR) and outcome.correct
        }
        return min(peers, key=peers.__getitem__) if peers else None

    def as_json(self) -> dict[str, Any]:
        """Everything, rounds included, for later comparison."""
        return {
            "machine": machine(),
            "conditions": asdict(self.conditions),
            "baseline": self.baseline,
            "versions": self.versions,
            "missing": self.missing,
            "workloads": {
                workload.name: self.workload_as_json(workload.name) for workload in self.workloads
            },
        }

    def workload_as_json(self, workload: str) -> dict[str, Any]:
        """All that is known of one workload, by server."""
        return {
            server: outcome_as_json(outcome) for server, outcome in self.outcomes[workload].items()
        }


def machine() -> dict[str, Any]:
    """Where the figures are from."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    """Medians and rounds."""
    medians = {}
    if outcome.timed:
        figures = [name for name, value in asdict(outcome.rounds[0]).items() if _is_number(value)]
        medians = {name: outcome.median(name) for name in figures}
    return {
        "correct": outcome.correct,
        "wrong": outcome.wrong,
        "median": medians,
        "rounds": [asdict(r) for r in outcome.rounds],
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
