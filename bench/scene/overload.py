"""Three times as many requests as the workers can serve."""

from __future__ import annotations

from scene import figures, servers
from scene.figures import Figures, Scene
from scene.servers import Setup
from scene.stage import Stage, always, users

SERVERS = (servers.MAX_QUEUE, "oxicorn", "gunicorn", "gunicorn-gthread", "granian")
CALL_SECONDS = 0.05
WORKERS = 2


def _play(stage: Stage, keeps: bool) -> Figures:
    with stage.running(Setup(workers=WORKERS)) as play:
        plan = users.Plan(
            users=60,
            seconds=2 * stage.seconds,
            choose=always(f"/sleep/{1000 * CALL_SECONDS:.0f}"),
            think=0.45,
            keeps=keeps,
        )
        samples = users.run(play.address, plan)
    served = [sample for sample in samples if sample.status == 200]
    elapsed = max(sample.began + sample.latency for sample in samples)
    elapsed -= min(sample.began for sample in samples)
    return {
        "served/s": len(served) / elapsed,
        "of capacity": len(served) / elapsed * CALL_SECONDS / WORKERS,
        "p50 ms": figures.quantile(served, 0.5),
        "p99 ms": figures.quantile(served, 0.99),
        "max ms": figures.longest(served),
        "503": sum(1 for sample in samples if sample.status == 503),
        "503 p50 ms": figures.quantile(samples, 0.5, 503),
        "503 p99 ms": figures.quantile(samples, 0.99, 503),
        "503 max ms": figures.quantile(samples, 1.0, 503),
        "lost": sum(1 for sample in samples if sample.status not in (200, 503)),
    }


SCENES = tuple(
    Scene(
        f"overload-{name}",
        f"2 workers, calls of 50 ms, three times what they can do; {name} connections",
        lambda stage, keeps=keeps: _play(stage, keeps),
        SERVERS,
    )
    for name, keeps in (("kept", True), ("new", False))
)
