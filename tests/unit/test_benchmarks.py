"""The table of benchmarks/run: its lines name what is measured, and it goes into its page and nowhere else."""

import os
import time
from pathlib import Path

import pytest

from benchmarks import main, parts, reading
from benchmarks.client import Sample
from benchmarks.judged import __main__ as judged
from benchmarks.lines.base import Group, Line
from benchmarks.parts import Missing, Parts
from benchmarks.processor import costed

ROOT = Path(__file__).parents[2]


def test_every_line_is_of_a_group_and_every_group_has_a_line() -> None:
    assert {line.group for line in main.LINES} == {group.name for group in main.GROUPS}


@pytest.mark.parametrize(
    ("line", "own", "reached"),
    [
        (Line("", "g", "a", "b", "rate", "/s", least=0.5), 4.0, False),
        (Line("", "g", "a", "b", "rate", "/s", least=0.5), 5.0, True),
        (Line("", "g", "a", "b", "rate", "/s", most=0.5), 5.0, True),
        (Line("", "g", "a", "b", "rate", "/s", most=0.5), 6.0, False),
        (Line("", "g", "a", None, "number", "MiB", most=5), 5.0, True),
        (Line("", "g", "a", None, "number", "MiB", most=5), 5.1, False),
        (Line("", "g", "a", "b", "rate", "/s"), 5.0, None),
    ],
)
def test_goals(line: Line, own: float, reached: bool | None) -> None:
    found = main.evaluate(line, {"a": [Sample(own)] * 3, "b": [Sample(10.0)] * 3})
    assert line.reached(found.counts) is reached


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    samples = {"a": [Sample(1.0), Sample(20.0), Sample(9.0)], "b": [Sample(2.0), Sample(10.0), Sample(9.0)]}
    found = main.evaluate(Line("", "g", "a", "b", "rate", "/s"), samples)
    assert found.ratio == main.Spread(1.0, 0.5, 2.0)


def test_processor_time_is_told_as_a_whole_and_by_process() -> None:
    line = Line("what", "g", "a", "b", "processor", "s")
    own = [Sample(1.0, processor={"workers": 0.001 * each, "model": 0.002}) for each in (1, 2, 9)]
    found = main.evaluate(line, {"a": own, "b": [Sample(1.0, processor={"node": 0.002})] * 3})
    assert found.ratio == main.Spread(2.0, 1.5, 5.5)
    assert main.row(found)[1] == "4 ms (3 ms … 11 ms): workers 2 ms, model 2 ms"
    assert main.row(found)[2] == "b: 2 ms"


def test_a_side_is_charged_what_its_processes_took() -> None:
    def busy(seconds: float) -> Sample:
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass
        return Sample(1.0, [0.1, 0.1])

    here = costed(busy, lambda: {"this": [os.getpid()], "init": [1]})(0.1).processor
    assert here["this"] >= 0.04
    assert list(here) == ["this", "init"]


def test_the_page_keeps_everything_around_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{main.BEGIN}\nold\n{main.END}\nafter\n")
    monkeypatch.setattr(main, "PAGE", page)
    main.write_page("new")
    assert page.read_text() == f"before\n{main.BEGIN}\nnew\n{main.END}\nafter\n"


def test_the_real_page_has_the_marks() -> None:
    content = main.PAGE.read_text()
    for begin in (main.BEGIN, reading.BEGIN, judged.BEGIN):
        assert content.count(begin) == 1
        assert content.index(begin) < content.index(main.END, content.index(begin))


def test_reading_is_compared_by_processor_time() -> None:
    own = reading.Cost([0.5, 0.1, 9.0], [0.1, 0.2, 0.3], 20.4)
    other = reading.Cost([1.0, 1.0, 1.0], [0.1, 0.1, 0.1], 30.6)
    cells = ["2.0", "1.0", "0.500", "1.000", "0.200", "0.100", "20", "31", "2.00"]
    assert reading.row("a text", {"here": own, "before": other}) == ["a text", *cells]
    assert reading.row("a text", {"here": own}) == ["a text", *cells[:8:2]]


def test_what_a_version_does_not_read_has_no_figures() -> None:
    own = reading.Cost([0.5], [0.2], 20.4)
    cells = ["2.0", "-", "0.500", "-", "0.200", "-", "20", "-", "-"]
    assert reading.row("a text", {"here": own, "before": None}) == ["a text", *cells]


def test_nothing_is_started_before_it_is_needed(tmp_path: Path) -> None:
    with Parts(tmp_path, optimized=False):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def without_nginx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(parts, "SYSTEM_PATH", str(tmp_path))


@pytest.mark.usefixtures("without_nginx")
def test_what_needs_nginx_says_so_each_time(tmp_path: Path) -> None:
    with Parts(tmp_path, optimized=False) as found:
        for _ in range(2):
            with pytest.raises(Missing, match="nginx is missing .*apt-get install nginx-light"):
                _ = found.nginx
        assert list(found.folder.iterdir()) == []


@pytest.mark.usefixtures("without_nginx")
def test_what_is_missing_is_named_and_the_other_lines_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    beside = Group("beside", lambda found, form: {"nginx": lambda seconds: Sample(len(found.nginx))})
    alone = Group("alone", lambda found, form: {"store": lambda seconds: Sample(1.0)})
    sides = (("beside", "nginx"), ("alone", "store"))
    lines = tuple(Line(f"the {name} line", name, side, None, "rate", "/s") for name, side in sides)
    monkeypatch.setattr(main, "GROUPS", (beside, alone))
    monkeypatch.setattr(main, "LINES", lines)
    monkeypatch.setattr("sys.argv", ["run", "--short", "--json", str(tmp_path / "found.json")])
    assert main.main() == 1
    told = capsys.readouterr()
    assert "beside: not measured, as nginx is missing" in told.err
    assert "could not be measured: beside" in told.err
    assert "Traceback" not in told.err
    assert "the alone line" in told.out
    assert "the beside line" not in told.out
