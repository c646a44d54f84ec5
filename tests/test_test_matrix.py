"""The tool behind `make test-matrix`: it says what it did not run, and fails when something failed."""

from collections import Counter

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


def test_the_report_is_counted(tmp_path):
    cases = "<testcase/><testcase><failure/></testcase><testcase><error/></testcase><testcase><skipped/></testcase>"
    left_out = '<testcase><properties><property name="figures left out" value="3"/></properties></testcase>'
    (tmp_path / "report.xml").write_text(f"<testsuites><testsuite>{cases}{left_out * 2}</testsuite></testsuites>")
    counts = test_matrix.read_report(tmp_path / "report.xml")
    assert counts == {"passed": 3, "failed": 2, "skipped": 1, "figures left out": 6}


def test_only_what_computes_is_unpinned_in_the_newest_row():
    lines = zip(test_matrix.PINNED.splitlines(), test_matrix.NEWEST.splitlines(), strict=True)
    assert {newest for pinned, newest in lines if pinned != newest} == set(test_matrix.UNPINNED)
