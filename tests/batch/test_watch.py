"""When a worker counts as hanging."""

from __future__ import annotations

import pytest

from jachess.batch.watch import LONGER, SLOWEST, Watch, limit


@pytest.mark.parametrize(
    ("patience", "longest", "operations", "attempts", "seconds"),
    [
        (600, None, 1.0, 0, 600),  # any block may take as long
        (600, None, 1e4 * SLOWEST, 0, 1e4),  # nothing is known but the plan
        (600, 3.0, 1e4 * SLOWEST, 0, 600),  # others of its kind have ended, and soon
        (600, 900.0, 1.0, 0, LONGER * 900.0),
        (600, 900.0, 1.0, 2, 4 * LONGER * 900.0),  # twice as long each time
    ],
)
def test_how_long_a_block_may_take(
    patience: float, longest: float | None, operations: float, attempts: int, seconds: float
) -> None:
    assert limit(patience, longest, operations, attempts) == seconds


def looks(watch: Watch, *looks: tuple[float, dict[str, list[str]]]) -> list[tuple[float, str, str]]:
    """What is found at each look: time, worker and task."""
    return [(now, worker, key) for now, held in looks for worker, (key, _) in watch.hanging(held, now).items()]


def test_a_worker_hangs_that_does_not_end_what_it_began() -> None:
    watch = Watch(lambda key: 10.0)
    watch.begins("a", "first", 0.0)
    watch.begins("b", "second", 8.0)
    held = {"a": ["first", "waiting"], "b": ["second"], "idle": []}
    assert looks(watch, (9.0, held), (11.0, held)) == [(11.0, "a", "first")]


def test_a_worker_that_goes_from_task_to_task_does_not_hang() -> None:
    """Also where a task that waits has waited for long."""
    watch = Watch(lambda key: 10.0)
    found = []
    for now in range(0, 100, 5):
        watch.begins("a", f"task {now}", now)
        found += looks(watch, (now + 4.0, {"a": [f"task {now}", "waiting"]}))
    assert found == []


def test_a_worker_that_hung_before_it_could_say_what_it_began_is_found() -> None:
    watch = Watch(lambda key: 10.0)
    held = {"a": ["first", "second"], "b": ["third"]}
    later = {"a": ["first", "second"], "b": ["fourth"]}
    assert looks(watch, (0.0, held), (9.0, held), (11.0, later), (12.0, later)) == [
        (11.0, "a", "first"),
        (12.0, "a", "first"),
    ]


def test_a_task_that_went_to_another_worker_begins_anew() -> None:
    watch = Watch(lambda key: 10.0)
    watch.begins("a", "task", 0.0)
    assert looks(watch, (5.0, {"a": ["task"], "b": []}), (9.0, {"b": ["task"]}), (15.0, {"b": ["task"]})) == []
    watch.begins("b", "task", 16.0)
    assert looks(watch, (25.0, {"b": ["task"]}), (27.0, {"b": ["task"]})) == [(27.0, "b", "task")]
