"""The tables, for the terminal and as Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from pairs import Pair, PairedResults
from results import Outcome, Results, machine
from targets import targets
from workloads import Workload


@dataclass(frozen=True)
class Table:
    """A heading, columns, rows; the first and the last column are text, the others figures."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


def plain(results: Results) -> str:
    """For the terminal."""
    return "\n\n".join([_about(results), *map(plain_table, _tables(results))]) + "\n"


def markdown(results: Results) -> str:
    """For a page of the documentation."""
    return "\n\n".join([_about(results), *map(markdown_table, _tables(results))]) + "\n"


def _about(results: Results) -> str:
    where, conditions = machine(), results.conditions
    versions = ", ".join(
        name if version == "-" else f"{name} {version}"
        for name, version in results.versions.items()
    )
    if isinstance(results, PairedResults):
        placed = "oxicorn and one peer at a time on one core, a wrk for each on another"
    else:
        placed = "one worker on one core, wrk on another"
    circumstances = (
        f"{where['cpu']}, Linux {where['kernel']}, Python {where['python']}; {placed}, "
        f"{conditions.connections} connections, medians of rounds of {conditions.seconds} s."
    )
    said = [circumstances, f"Servers: {versions}."]
    said += [f"Left out, {name}: {reason}" for name, reason in results.missing.items()]
    return "\n".join(said)


def _tables(results: Results) -> list[Table]:
    if isinstance(results, PairedResults):
        tables = [_paired_table(results, workload) for workload in results.workloads]
    else:
        tables = [_workload_table(results, workload) for workload in results.workloads]
        tables.append(_ratio_table(results))
    standing = [
        (target.text, f"{target.measured:.3f}", f"{target.limit:.3f}", _verdict(target.met))
        for target in targets(results)
    ]
    if standing:
        tables.append(Table("Targets: oxicorn's share", ("of", "is", "at most", ""), standing))
    return tables


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def _workload_table(results: Results, workload: Workload) -> Table:
    header = ("server", "req/s", "p50 ms", "p99 ms", "CPU µs", "spread", "CPU ratio", "RSS MiB", "")
    base = results.figure(workload.name, results.baseline, "cpu_us")
    outcomes = results.outcomes[workload.name]
    rows = [
        _server_row(name, outcome, workload, base)
        for name, outcome in sorted(outcomes.items(), key=_by_cpu)
    ]
    return Table(f"{workload.title} ({workload.name})", header, rows)


def _by_cpu(entry: tuple[str, Outcome]) -> float:
    outcome = entry[1]
    return outcome.median("cpu_us") if outcome.timed else float("inf")


def _server_row(
    name: str, outcome: Outcome, workload: Workload, base: float | None
) -> tuple[str, ...]:
    if not outcome.timed:
        return (name, *["-"] * 7, f"WRONG: {outcome.remarks(workload)}")
    cpu = outcome.median("cpu_us")
    return (
        name,
        f"{outcome.median('requests_a_second'):,.0f}",
        f"{outcome.median('p50_ms'):.2f}",
        f"{outcome.median('p99_ms'):.2f}",
        f"{cpu:.2f}",
        f"{outcome.spread('cpu_us'):.0%}",
        f"{cpu / base:.2f}" if base else "-",
        f"{outcome.median('worker_peak_rss_mib'):.1f}",
        outcome.remarks(workload),
    )


def _paired_table(results: PairedResults, workload: Workload) -> Table:
    header = ("beside", "oxicorn's CPU µs", "its CPU µs", "ratio", "least", "most", "")
    pairs = sorted(results.pairs[workload.name].items(), key=_by_ratio, reverse=True)
    title = f"{workload.title} ({workload.name}), in pairs: oxicorn's share of the other's CPU"
    return Table(title, header, [_pair_row(peer, pair) for peer, pair in pairs])


def _by_ratio(entry: tuple[str, Pair]) -> float:
    ratios = entry[1].ratios("cpu_us")
    return median(ratios) if ratios else 0.0


def _pair_row(peer: str, pair: Pair) -> tuple[str, ...]:
    if not pair.timed:
        return (peer, *["-"] * 5, f"WRONG: {pair.remarks(peer)}")
    ratios = pair.ratios("cpu_us")
    figures = (pair.ours.median("cpu_us"), pair.theirs.median("cpu_us"))
    shares = (median(ratios), min(ratios), max(ratios))
    return (
        peer,
        *(f"{cpu:.2f}" for cpu in figures),
        *(f"{share:.3f}" for share in shares),
        pair.remarks(peer),
    )


def _ratio_table(results: Results) -> Table:
    """CPU a request as a multiple of the baseline's: above 1 is dearer than the baseline."""
    servers = [name for name in results.versions if name != results.baseline]
    rows = []
    for workload in results.workloads:
        base = results.figure(workload.name, results.baseline, "cpu_us")
        cells = [_ratio(results, workload.name, server, base) for server in servers]
        rows.append((workload.name, *cells, results.best_peer(workload.name) or "-"))
    title = f"CPU a request, {results.baseline} = 1 (in brackets: answered with errors)"
    return Table(title, ("workload", *servers, "best peer"), rows)


def _ratio(results: Results, workload: str, server: str, base: float | None) -> str:
    cpu = results.figure(workload, server, "cpu_us")
    if cpu is None or not base:
        return "-"
    ratio = f"{cpu / base:.2f}"
    return ratio if results.outcomes[workload][server].correct else f"({ratio})"


def plain_table(table: Table) -> str:
    """For the terminal."""
    cells = [table.header, *table.rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.header))]

    def line(row: tuple[str, ...]) -> str:
        return "  ".join(_aligned(row, widths)).rstrip()

    rule = "-" * min(100, max(len(line(row)) for row in cells))
    return "\n".join([table.title, rule, line(table.header), *map(line, table.rows)])


def _aligned(row: tuple[str, ...], widths: list[int]) -> list[str]:
    text = (0, len(row) - 1)
    return [
        cell.ljust(width) if column in text else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def markdown_table(table: Table) -> str:
    """For a page of the documentation."""

    def line(row: tuple[str, ...]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"

    rules = ["---", *["---:"] * (len(table.header) - 2), "---"]
    rows = [line(table.header), line(tuple(rules)), *map(line, table.rows)]
    return "\n".join([f"## {table.title}", "", *rows])
