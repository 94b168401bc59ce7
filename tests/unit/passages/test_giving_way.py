"""Vectors wait for uploads, as long as that is bounded, and for nothing else."""

from collections.abc import Callable, Iterator

from app.services.passages import GivingWay


def said(answers: list[bool], asked: list[bool]) -> Callable[[], bool]:
    """What says these, one after the other, and then the last one for ever."""

    def all_of_them() -> Iterator[bool]:
        yield from answers
        while True:
            yield answers[-1]

    told = all_of_them()

    def say() -> bool:
        asked.append(next(told))
        return asked[-1]

    return say


def test_where_no_upload_is_under_way_nothing_is_waited_for() -> None:
    asked: list[bool] = []
    assert GivingWay(said([False], asked), lambda: False)() is False
    assert asked == [False]


def test_an_upload_is_waited_for_until_there_is_none() -> None:
    asked: list[bool] = []
    rest = GivingWay(said([True, True, True, False], asked), lambda: False)
    rest._since -= 60.0
    assert rest() is False
    # Not at the first look without one: between two uploads of a client there is none, either.
    assert asked.count(True) == 3
    assert asked.count(False) > 1


def test_uploads_without_end_are_not_waited_for_for_ever() -> None:
    asked: list[bool] = []
    rest = GivingWay(said([True], asked), lambda: False)
    rest._since -= 60.0
    assert rest() is False
    assert len(asked) > 1
    # What has just rested has done nothing for which it would have to rest again.
    asked.clear()
    assert rest() is False
    assert len(asked) <= 2


def test_it_stops_at_once() -> None:
    rest = GivingWay(lambda: True, said([False, True], []))
    rest._since -= 60.0
    assert rest() is True
