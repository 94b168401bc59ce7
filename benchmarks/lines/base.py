"""What a line and a group of sides are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.client import Sample
from benchmarks.parts import Parts

#: Acts (or bytes) a second; seconds of an act in the middle, and of the slowest of a hundred; a plain number; or seconds of
#: the processor for an act.
Figure = Literal["rate", "seconds", "p99", "number", "processor"]

#: Measures one side once; the seconds that it may take are a wish.
Side = Callable[[float], Sample]


@dataclass(frozen=True)
class Form:
    """How long a run is."""

    #: Rounds of the quick sides, and of those that take seconds each.
    rounds: int
    slow_rounds: int
    #: Of each quick side in each round.
    seconds: float
    #: Attachments of the large store, and records of the rebuild.
    grown: int
    records: int

    def count(self, group: Group) -> int:
        """How often a group's sides are measured."""
        return {"quick": self.rounds, "slow": self.slow_rounds, "once": 1}[group.rounds]


SHORT = Form(rounds=5, slow_rounds=3, seconds=1.0, grown=20_000, records=10_000)
LONG = Form(rounds=15, slow_rounds=7, seconds=2.0, grown=1_000_000, records=50_000)


@dataclass(frozen=True)
class Group:
    """Sides that are measured in turns: in many rounds, in few when an act takes seconds, or once."""

    name: str
    sides: Callable[[Parts, Form], Mapping[str, Side]]
    rounds: Literal["quick", "slow", "once"] = "quick"


@dataclass(frozen=True)
class Line:
    """One line of the table: the `figure` of `side`, divided by that of `against` when there is one.

    `least` or `most` is the goal; none of them: the figure is only stated.
    """

    what: str
    group: str
    side: str
    against: str | None
    figure: Figure
    unit: str
    least: float | None = None
    most: float | None = None

    def reached(self, value: float) -> bool | None:
        """Whether `value`, the ratio or the number, is what the goal wants; None without a goal."""
        if self.least is not None:
            return value >= self.least
        return value <= self.most if self.most is not None else None
