"""The processor time that processes take, as the kernel counts it. It says where the time of an act goes, also on a
machine that does much else meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from benchmarks.client import Sample
from benchmarks.lines.base import Side


def processor_seconds(processes: Iterable[int]) -> float:
    """Seconds that all threads of these processes have taken so far, those that have ended included."""
    ticks = 0
    for pid in processes:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def costed(side: Side, processes: Callable[[], Mapping[str, Iterable[int]]]) -> Side:
    """`side`, whose samples also say what an act took of the processor. `processes`: the ids of processes, by what they
    are called in the table."""

    def measured(seconds: float) -> Sample:
        several = processes()
        before = {name: processor_seconds(each) for name, each in several.items()}
        found = side(seconds)
        for name, each in several.items():
            found.processor[name] = (processor_seconds(each) - before[name]) / len(found.seconds)
        return found

    return measured
