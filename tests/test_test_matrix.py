"""The tool behind `make test-matrix`: it says what it did not run, and fails when something failed."""

import json
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from tools import test_matrix

OUTCOMES = {
    "pca": (0, Counter(passed=3)),
    "sparsity": (1, Counter(passed=2, failed=1)),
    "tests": (0, Counter(passed=9)),
}


@pytest.fixture
def ran(monkeypatch):
    """Stand in for pytest; list the rows and parts that would have run."""
    ran = []

    def run_part(row, part, python, env):
        ran.append((row.name, part.stem))
        return OUTCOMES[part.stem]

    monkeypatch.setattr(test_matrix, "run_part", run_part)
    return ran


def test_a_failure_is_in_the_table_and_in_the_exit_status(ran, capsys):
    assert test_matrix.main(["--only", "as-it-is", "pca", "sparsity", "tests"]) == 1
    assert ran == [("as-it-is", "pca"), ("as-it-is", "sparsity"), ("as-it-is", "tests")]
    assert "1 passed, 1 failed" in capsys.readouterr().out


def test_without_a_failure_the_exit_status_is_zero(ran, capsys):
    assert test_matrix.main(["--only", "as-it-is", "pca", "tests"]) == 0
    assert "9 passed" in capsys.readouterr().out


def test_a_row_that_the_processor_cannot_run_says_so(ran, monkeypatch, capsys):
    monkeypatch.setattr(test_matrix, "cpu_flags", lambda: {"pni", "avx2"})
    assert test_matrix.main(["--only", "Haswell", "pca"]) == 0
    assert "not run: this processor lacks fma" in capsys.readouterr().out.splitlines()[-2] and not ran


def test_a_python_that_is_missing_is_named(ran, monkeypatch, capsys):
    monkeypatch.setattr(test_matrix, "interpreters", lambda named: {})
    missing = test_matrix.Row("python3.9", python="python3.9")
    monkeypatch.setattr(test_matrix, "ROWS", [missing])
    assert test_matrix.main(["pca"]) == 0
    assert "not run: no python3.9 starts" in capsys.readouterr().out.splitlines()[-2] and not ran


def test_a_row_that_would_repeat_another_says_which(ran, monkeypatch, capsys):
    rows = [test_matrix.Row("one"), test_matrix.Row("like-one"), test_matrix.Row("two", threads=2)]
    monkeypatch.setattr(test_matrix, "ROWS", rows)
    monkeypatch.setattr(test_matrix, "described", lambda python, env: ["threads " + env["OPENBLAS_NUM_THREADS"]])
    assert test_matrix.main(["pca"]) == 0
    assert "not run: it would be row one again" in capsys.readouterr().out
    assert ran == [("one", "pca"), ("two", "pca")]


def test_a_row_has_the_arithmetic_of_its_processor_and_no_other(monkeypatch):
    monkeypatch.setattr(test_matrix, "cpu_flags", lambda: {"pni"})
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Zen")
    rows = {row.name: row for row in test_matrix.ROWS}
    assert "OPENBLAS_CORETYPE" not in test_matrix.environment(rows["as-it-is-2"])
    env = test_matrix.environment(rows["Prescott"])
    assert env["OPENBLAS_CORETYPE"] == "Prescott" and "X86_V3" in env["NPY_DISABLE_CPU_FEATURES"]
    kernels, _ = test_matrix.described(test_matrix.sys.executable, env)
    assert kernels.endswith("NumPy baseline")


def test_last_digits_are_moved_by_one_unit_and_what_is_exact_is_not(ran):
    row = next(row for row in test_matrix.ROWS if row.moved)
    try:
        env = test_matrix.environment(row)
    except test_matrix.CannotRun as why:
        pytest.skip(str(why))
    kernels, _ = test_matrix.described(sys.executable, env)
    assert kernels.endswith("last digits moved")
    assert "moved" not in test_matrix.described(sys.executable, test_matrix.environment(test_matrix.ROWS[0]))[0]
    products = json.loads(subprocess.run([sys.executable, "-c", PRODUCTS], env=env, capture_output=True).stdout)
    still = json.loads(subprocess.run([sys.executable, "-c", PRODUCTS], capture_output=True).stdout)
    for name, moved in products.items():
        steps = np.abs(np.array(moved).view(np.int64) - np.array(still[name]).view(np.int64))
        assert set(steps.ravel()) == ({0} if name in ("exact", "three terms") else {1}), name


PRODUCTS = """
import json, numpy as np
rng = np.random.default_rng(0)
A, B = rng.standard_normal((9, 5)), rng.standard_normal((5, 7))
out = np.matmul(A, B, out=np.empty((9, 7), order="F"))
named = {"A B": A @ B, "A A^T": A @ A.T, "A^T A": A.T @ A, "by columns": out}
named |= {"A x": A @ B[:, 0].copy(), "x A": A[:, 0] @ A, "x x": [A[0] @ A[0]]}
named["three terms"] = A[:, :3].copy() @ B[:3]
named["exact"] = np.eye(4) @ np.arange(16.0).reshape(4, 4)
print(json.dumps({name: np.asarray(product).tolist() for name, product in named.items()}))
"""


def test_a_row_whose_products_cannot_be_moved_says_so(ran, monkeypatch, capsys):
    monkeypatch.setattr(test_matrix.shutil, "which", lambda name: None)
    assert test_matrix.main(["--only", "last-digit", "pca"]) == 0
    assert "not run: it needs Linux" in capsys.readouterr().out and not ran
    monkeypatch.setattr(test_matrix, "mover", lambda: "")
    assert test_matrix.main(["--only", "last-digit", "pca"]) == 0
    assert "not run: NumPy's products do not go through" in capsys.readouterr().out and not ran


def test_the_lowest_row_has_what_pyproject_allows_and_a_folder_of_its_own(monkeypatch, tmp_path):
    lines = test_matrix.LOWEST.split()
    assert {"numpy==2.2", "coverage==7.10.6", "safetensors==0.4.5"} <= set(lines)
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", line) for line in lines)
    monkeypatch.setattr(test_matrix, "VENVS", tmp_path)
    (tmp_path / "lowest").mkdir()
    (tmp_path / "lowest" / "ready").write_text(test_matrix.LOWEST)
    row = next(row for row in test_matrix.ROWS if row.name == "lowest")
    assert test_matrix.python_of(row, {"python3.11": "x"}) == tmp_path / "lowest" / "bin" / "python"
    assert all((test_matrix.ROOT / "tests" / f"test_{name}.py").is_file() for name in test_matrix.OF_THE_BOOK)


def test_the_report_is_counted(tmp_path):
    cases = "<testcase/><testcase><failure/></testcase><testcase><error/></testcase><testcase><skipped/></testcase>"
    left_out = '<testcase><properties><property name="figures left out" value="3"/></properties></testcase>'
    (tmp_path / "report.xml").write_text(f"<testsuites><testsuite>{cases}{left_out * 2}</testsuite></testsuites>")
    counts = test_matrix.read_report(tmp_path / "report.xml")
    assert counts == {"passed": 3, "failed": 2, "skipped": 1, "figures left out": 6}


def test_only_what_computes_is_unpinned_in_the_newest_row():
    lines = zip(test_matrix.PINNED.splitlines(), test_matrix.NEWEST.splitlines(), strict=True)
    assert {newest for pinned, newest in lines if pinned != newest} == set(test_matrix.UNPINNED)
