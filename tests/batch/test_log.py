"""The log of runs: lines that outlive a crash, and a log that no run depends on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jachess.batch.log import Log, LogTail
from jachess.batch.measure import PARTS, each_timed, measured, timed
from jachess.batch.tally import Tally


def test_lines_are_added_to_those_of_earlier_runs(tmp_path: Path) -> None:
    tail = LogTail(tmp_path / "log")
    assert tail.new() == []
    for number in range(2):
        with Log(tmp_path / "log") as log:
            log.write("run", number=number)
            assert [entry["number"] for entry in tail.new()] == [number]
    assert [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()] == ["run", "run"]


@pytest.mark.parametrize("torn", ['{"event": "blo', '{"event": "blocks"}', "\udcff"])
def test_a_line_that_a_crash_cut_short_spoils_no_other(tmp_path: Path, torn: str) -> None:
    (tmp_path / "log").write_bytes(b'{"event": "run"}\n' + torn.encode(errors="surrogateescape"))
    with Log(tmp_path / "log") as log:
        log.write("run")
    assert [entry["event"] for entry in LogTail(tmp_path / "log").new()].count("run") == 2


@pytest.mark.parametrize("path", [None, Path("/dev/full"), Path("/no/such/folder/log"), Path("/")])
def test_a_log_that_cannot_be_written_stops_nobody(path: Path | None) -> None:
    with Log(path) as log:
        for _ in range(3):
            log.write("run")


def test_time_is_counted_to_the_part_it_is_spent_on() -> None:
    def spend(seconds: float) -> None:
        from time import perf_counter

        end = perf_counter() + seconds
        while perf_counter() < end:
            pass

    def blocks() -> object:
        for _ in range(2):
            spend(0.02)
            yield

    with measured() as clock:
        with timed("writing"):
            for _ in each_timed("kernels", blocks()):
                spend(0.01)
        with timed("checks"):
            spend(0.03)
    reading = clock.reading()
    assert reading["peak"] > 2**24
    least = {"kernels": 0.04, "checks": 0.03, "writing": 0.02}
    assert all(reading["seconds"][part] >= least[part] for part in PARTS)


def test_totals_are_shares_of_the_workers_time() -> None:
    tally = Tally()
    for seconds, blocks in ((3.0, [0, 1, 2]), (2.0, [3])):
        tally.add(
            {"stage": "computed", "quantity": "outputs", "blocks": blocks, "bytes": 10, "peak": int(1e6 * seconds),
             "seconds": {"kernels": seconds / 2, "checks": seconds / 2, "writing": 0.0}}
        )  # fmt: skip
    tally.at_hand = 10.0
    assert tally.sentence() == "kernels 25%, checks 25%, writing 0%, waiting 50% of the workers' time"
    assert tally.as_dict() == {
        "seconds": {"kernels": 2.5, "checks": 2.5, "writing": 0.0, "waiting": 5.0},
        "bytes": 20,
        "peak": 3_000_000,
        "retries": 0,
    }
    assert tally.longest == {("computed", "outputs"): 2.0}
