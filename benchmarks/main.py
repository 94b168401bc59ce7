"""benchmarks/run: measure lines of the table, print them, and keep them as JSON and in docs/performance.md.

Sides of a group take turns, round after round, with the order turned about in every other one. A ratio is the median of
the ratios of the rounds: what slows the machine for a while slows both sides of a round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.client import Sample
from benchmarks.lines import downloads, meaning, scale, searches, uploads, worker
from benchmarks.lines.base import LONG, SHORT, Form, Group, Line
from benchmarks.parts import Missing, Parts

MODULES = (uploads, downloads, searches, meaning, worker, scale)
GROUPS: tuple[Group, ...] = tuple(group for module in MODULES for group in module.GROUPS)
LINES: tuple[Line, ...] = tuple(line for module in MODULES for line in module.LINES)

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- table: written by benchmarks/run --write -->", "<!-- end of the table -->"


@dataclass(frozen=True)
class Spread:
    """The middle and the ends of what the rounds found."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Found:
    """A line as it came out."""

    line: Line
    value: Spread
    against: Spread | None
    ratio: Spread | None
    #: Of the figure `processor`: what each process took.
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def counts(self) -> float:
        """What the goal is about: the ratio, or the number where there is nothing to divide by."""
        return (self.ratio or self.value).median


def measure(group: Group, parts: Parts, form: Form) -> dict[str, list[Sample]]:
    """The samples of each side, round by round."""
    sides = group.sides(parts, form)
    found: dict[str, list[Sample]] = {name: [] for name in sides}
    for number in range(form.count(group)):
        for name in list(sides) if number % 2 == 0 else reversed(list(sides)):
            found[name].append(sides[name](form.seconds))
    return found


def figures(samples: Sequence[Sample], line: Line) -> list[float]:
    """The line's figure of each sample."""
    names = {"rate": "rate", "number": "rate", "seconds": "median", "p99": "p99", "processor": "cost"}
    return [getattr(sample, names[line.figure]) for sample in samples]


def shares(samples: Sequence[Sample], line: Line) -> dict[str, float]:
    """What each process took, in the middle of the rounds. Empty for one process, and for figures that are not the
    processor's."""
    names = samples[0].processor if line.figure == "processor" and len(samples[0].processor) > 1 else ()
    return {name: statistics.median(each.processor[name] for each in samples) for name in names}


def evaluate(line: Line, samples: dict[str, list[Sample]]) -> Found:
    own = figures(samples[line.side], line)
    parts = shares(samples[line.side], line)
    if line.against is None:
        return Found(line, Spread.of(own), None, None, parts)
    other = figures(samples[line.against], line)
    ratios = [mine / theirs for mine, theirs in zip(own, other, strict=True)]
    return Found(line, Spread.of(own), Spread.of(other), Spread.of(ratios), parts)


def shown(value: float, unit: str) -> str:
    """A figure as people read it."""
    if unit == "s":
        return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.2f} s"
    if unit == "B/s":
        return f"{value / 1e6:,.0f} MB/s"
    return f"{value:,.0f}/s" if unit == "/s" else f"{value:.1f} {unit}"


def row(found: Found) -> list[str]:
    """The cells of a line: what, figure, spread, against, ratio with spread, goal, whether it is reached."""
    line = found.line
    goal = (
        f"≥ {line.least:g}" if line.least is not None else f"≤ {line.most:.3g}" if line.most is not None else "stated"
    )
    reached = {True: "yes", False: "**no**", None: ""}[line.reached(found.counts)]
    against = f"{line.against}: {shown(found.against.median, line.unit)}" if found.against else ""
    own = f"{shown(found.value.median, line.unit)} ({shown(found.value.low, line.unit)} … "
    own += f"{shown(found.value.high, line.unit)})"
    if found.shares:
        own += f": {', '.join(f'{name} {shown(each, line.unit)}' for name, each in found.shares.items())}"
    ratio = f"{found.ratio.median:.3g} ({found.ratio.low:.3g} … {found.ratio.high:.3g})" if found.ratio else ""
    return [line.what, own, against, ratio, goal, reached]


HEAD = ["what", "median (lowest … highest)", "against", "ratio (lowest … highest)", "goal", "reached"]


def table(all_found: Sequence[Found]) -> str:
    """The lines as a Markdown table."""
    rows = [HEAD, ["---"] * len(HEAD), *(row(each) for each in all_found)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def hardware() -> str:
    """The machine, and what runs it."""
    model = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({model[0] if model else platform.machine()}), {memory:.0f} GiB, Linux "
        f"{platform.release()}, Python {platform.python_version()}"
    )


def machine() -> str:
    """What the figures depend on."""
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{hardware()}; client, server, nginx and Elasticsearch share it. Load before the run: {load}"


def write_page(text: str, begins: str = BEGIN) -> None:
    """Put the table into docs/performance.md, between its marks, of which the first is `begins`."""
    content = PAGE.read_text()
    head, begin, rest = content.partition(begins)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE} has not the marks of the table")
    PAGE.write_text(f"{head}{begins}\n{text}\n{END}{tail}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks/run", description="Measure the store beside what it is compared to."
    )
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of: {', '.join(each.name for each in GROUPS)}")
    parser.add_argument("--short", action="store_true", help="fewer and shorter rounds, a smaller large store")
    parser.add_argument("--grown", type=int, help="attachments of the large store")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks.json"), help="(default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--folder", type=Path, help="where the data goes for the run: on the disk to be measured")
    parser.add_argument("--optimized", action="store_true", help="let the node's JVM compile as far as it can")
    found = parser.parse_args()
    if unknown := set(found.groups) - {each.name for each in GROUPS}:
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    return found


def main() -> int:
    arguments = _arguments()
    form = SHORT if arguments.short else LONG
    if arguments.grown:
        form = Form(**{**asdict(form), "grown": arguments.grown})
    wanted = [each for each in GROUPS if not arguments.groups or each.name in arguments.groups]
    conditions = machine()
    began = time.monotonic()
    all_found: list[Found] = []
    failed: list[str] = []
    with Parts(arguments.folder, arguments.optimized) as parts:
        for group in wanted:
            print(f"{group.name} ...", file=sys.stderr, flush=True)
            try:
                samples = measure(group, parts, form)
            except Missing as error:
                print(f"{group.name}: not measured, as {error}", file=sys.stderr, flush=True)
                failed.append(group.name)
                continue
            except Exception:
                # The others have cost minutes.
                traceback.print_exc()
                failed.append(group.name)
                continue
            found = [evaluate(line, samples) for line in LINES if line.group == group.name]
            for each in found:
                print("  ".join(cell for cell in row(each) if cell), flush=True)
            all_found += found
    seconds = time.monotonic() - began
    kind = "short" if arguments.short else "long"
    note = (
        f"{time.strftime('%Y-%m-%d')}, {kind} form ({form.rounds} rounds of {form.seconds:g} s a side, {form.slow_rounds} "
        f"of the slow ones; large store: {form.grown:,} attachments; {seconds / 60:.0f} minutes). {conditions}."
    )
    text = f"{note}\n\n{table(all_found)}"
    print(f"\n{text}")
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    content = {"note": note, "form": asdict(form), "lines": [asdict(each) for each in all_found]}
    arguments.json.write_text(json.dumps(content, indent=1) + "\n")
    if arguments.write and not failed:
        write_page(text)
    if failed:
        print(f"could not be measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
