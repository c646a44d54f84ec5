"""The benchmark's own bookkeeping: turns, medians, goals and the stored results. What it times is not tested here."""

import importlib.util
import json
import math
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("bench", ROOT / "benchmarks" / "bench.py")
bench = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(bench)
STORED = json.loads(bench.RESULTS.read_text("utf-8"))


def test_contestants_take_turns_and_their_first_call_does_not_count(monkeypatch):
    clock, calls = [0.0], []
    monkeypatch.setattr(bench.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(bench.time, "sleep", lambda seconds: None)

    def contestant(name, seconds):
        def run():
            calls.append(name)
            clock[0] += seconds[calls.count(name) - 1]

        return run

    a, b = contestant("a", [100, 1, 3, 50, 4, 6, 50, 8, 10]), contestant("b", [200, 7, 7] * 3)
    assert bench.timed({"a": a, "b": b}, rounds=3, calls=2) == {"a": 5, "b": 7}
    assert calls == ["a", "a", "a", "b", "b", "b"] * 3


def test_every_stored_run_fills_the_same_table_with_numbers():
    tables = [list(bench.table(run["found"])) for run in STORED["runs"]]
    assert tables and len({run["setting"] for run in STORED["runs"]}) == len(tables)
    assert len({tuple(row[:2] for row in table) for table in tables}) == 1
    for what, against, value, goal in (row for table in tables for row in table):
        assert value > 0 or math.isnan(value) or what.startswith("import"), (what, against)
        assert goal is None or goal > 0
    assert all(math.isfinite(row[2]) for row in tables[0])


def test_a_missed_goal_is_named(capsys):
    found = json.loads(json.dumps(STORED["runs"][0]["found"]))
    found["objective 64-25 float32"] |= {"saelib": 3.0, "limit": 1.0, "PyTorch": 10.0}
    bench.report(STORED | {"runs": [{"setting": "a setting", "found": found}]})
    lines = capsys.readouterr().out.splitlines()
    assert "Objective 64-25, float32 | limit | 1.70 | 3.00 (missed)" in lines
    assert "Objective 64-25, float32 | PyTorch | 0.95 | 0.30" in lines


@pytest.mark.parametrize("value, expected", [(1234.567, 1235.0), ({"a": [0.00012345678, 3]}, {"a": [0.0001235, 3]})])
def test_four_digits_are_stored(value, expected):
    assert bench.rounded(value) == expected


def test_the_stored_results_name_what_ran_and_no_machine():
    assert set(STORED["machine"]) == {"processor", "cpus", "python", "numpy", "scipy", "scikit-learn", "torch", "jax"}
    assert STORED["memory"]["megabytes"] < 2000
