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


def test_growth_beyond_one_machine_is_measured_at_tiny_sizes(monkeypatch):
    tiny = {
        "rows": {"inputs": 6, "hidden": 3, "sizes": (100, 200)},
        "width": {"rows": 20, "sizes": (4, 8)},
        "cluster": {"inputs": 6, "hidden": 3, "rows": 40, "blocks": (2, 4)},
    }
    monkeypatch.setattr(bench, "BEYOND", tiny)
    monkeypatch.setattr(bench, "PAUSE", 0.0)
    monkeypatch.setattr(bench, "part", lambda name, threads, core, first, size=None: bench.PARTS[name](1, first, size))
    found = bench.beyond(1)
    assert [one["size"] for one in found["rows"]] == [100, 200] and [one["size"] for one in found["width"]] == [4, 8]
    points = found["cluster"]["points"]
    assert [one["blocks"] for one in points] == [2, 4] and found["cluster"]["parameters"] == 2 * 6 * 3 + 6 + 3
    assert all(one["cluster"] > one["one"] / 2 > 0 and one["bytes"] > 4 * 45 for one in points)
    assert all(0 < one["seconds"] < 60 and one["megabytes"] > 10 for one in found["rows"] + found["width"])
    assert json.loads(json.dumps(found)) == found


def test_what_a_large_training_needs_on_paper_by_hand():
    """A row takes 1 second at width 10, which is 500 multiplications; a block 2 seconds and an iteration 30."""
    found = {
        "rows": [{"size": size, "seconds": 5 + size / 4} for size in (10, 100, 1000, 10_000)],
        "width": [{"size": 10, "seconds": 7.0}],
        "width rows": 7,
        "cluster": {
            "workers": 2,
            "points": [{"blocks": k, "one": 8.0, "cluster": 4.0 + 30 + 2 * k} for k in (2, 4, 8)],
        },
    }
    slopes = bench.slopes(found)
    assert [slopes["row"], slopes["block"], slopes["iteration"]] == pytest.approx([1 / 4, 2, 30])
    few, many = bench.paper(found)
    alone = 10**9 * 6 * 4096 * 32_768 / 500
    assert few["machines"] == math.ceil(alone / 86_400) and few["hours"] == pytest.approx(24, rel=1e-6)
    assert (few["steps"], many["steps"]) == (244_141, 15_259)
    assert few["gradient, gigabytes"] == pytest.approx(1.0738893)
    assert few["terabytes, float16"] == pytest.approx(8.192) and few["terabytes, float32"] == pytest.approx(16.384)
    assert few["each machine, gigabits a second"] == pytest.approx(2 * 1.0738893 * 8 * 244_141 / 86_400)
    assert many["network, petabytes"] == pytest.approx(2 * 1.0738893e-6 * many["machines"] * 15_259)
    assert few["each machine, megabytes read a second"] == pytest.approx(8.192e6 / few["machines"] / 86_400)
    assert many["scheduler, hours"] == pytest.approx(15_259 * (30 + 2 * many["machines"]) / 3600)


@pytest.mark.parametrize("value, expected", [(1234.567, 1235.0), ({"a": [0.00012345678, 3]}, {"a": [0.0001235, 3]})])
def test_four_digits_are_stored(value, expected):
    assert bench.rounded(value) == expected


def test_the_stored_results_name_what_ran_and_no_machine():
    assert set(STORED["machine"]) == {
        "processor",
        "cpus",
        "python",
        "numpy",
        "scipy",
        "scikit-learn",
        "torch",
        "jax",
        "numba",
    }
    assert STORED["memory"]["megabytes"] < 2000
