"""What came out of `--paired`: oxicorn beside one peer at a time, and how their figures stand to each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Any

from measure import Round
from peers import FLOOR, OWN, OXICORN
from results import NOISY, Outcome, Results, outcome_as_json


@dataclass
class Pair:
    """Oxicorn and one peer in one workload, round by round at the same time."""

    ours: Outcome = field(default_factory=Outcome)
    theirs: Outcome = field(default_factory=Outcome)
    wrong: str = ""
    """Why they were not, or not further, timed; it names the server at fault."""

    def add(self, ours: Round, theirs: Round) -> None:
        """One more round."""
        self.ours.rounds.append(ours)
        self.theirs.rounds.append(theirs)

    @property
    def timed(self) -> bool:
        return self.ours.timed

    @property
    def correct(self) -> bool:
        """Both answered rightly, also under load, in every round."""
        return not self.wrong and self.ours.correct and self.theirs.correct

    def ratios(self, figure: str) -> list[float]:
        """Oxicorn's figure divided by the peer's, of each round."""
        rounds = zip(self.ours.rounds, self.theirs.rounds, strict=True)
        return [getattr(ours, figure) / (getattr(theirs, figure) or 1.0) for ours, theirs in rounds]

    def remarks(self, peer: str) -> str:
        """What a reader must know beside the figures."""
        said = [self.wrong] if self.wrong else []
        for name, outcome in ((OXICORN, self.ours), (peer, self.theirs)):
            said += sorted({f"{name}: {r.complaint}" for r in outcome.rounds if r.complaint})
        if self.timed and (noise := self.ours.median("foreign_cpu")) > NOISY:
            said.append(f"noise {noise:.0%}")
        return "; ".join(said)


@dataclass
class PairedResults(Results):
    """The whole comparison in pairs. There are no figures of one server alone, only shares."""

    pairs: dict[str, dict[str, Pair]] = field(default_factory=dict)
    """By workload, then by peer."""

    def share(self, workload: str, figure: str, ours: str, theirs: str) -> float | None:
        """The median over the rounds of what two that ran together had."""
        pairs = self.pairs.get(workload, {})
        if ours == OXICORN and (pair := pairs.get(theirs)) and pair.timed:
            return median(pair.ratios(figure))
        if theirs == OXICORN and (pair := pairs.get(ours)) and pair.timed:
            return 1 / median(pair.ratios(figure))
        return None

    def best_peer(self, workload: str) -> str | None:
        """Of the peers that made no mistake the one that oxicorn is nearest to."""
        shares = {
            name: median(pair.ratios("cpu_us"))
            for name, pair in self.pairs.get(workload, {}).items()
            if name not in (*OWN, FLOOR) and pair.correct
        }
        return max(shares, key=shares.__getitem__) if shares else None

    def workload_as_json(self, workload: str) -> dict[str, Any]:
        """All that is known of one workload, by peer."""
        return {peer: _pair_as_json(pair) for peer, pair in self.pairs[workload].items()}


def _pair_as_json(pair: Pair) -> dict[str, Any]:
    ratios = pair.ratios("cpu_us")
    return {
        "correct": pair.correct,
        "wrong": pair.wrong,
        "cpu_ratio": {"median": median(ratios), "rounds": ratios} if ratios else {},
        "oxicorn": outcome_as_json(pair.ours),
        "peer": outcome_as_json(pair.theirs),
    }
