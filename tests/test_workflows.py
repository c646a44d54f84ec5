"""What runs on GitHub's machines: actions pinned by commit, no right that a job does not use, no secret left lying."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TEXTS = [path.read_text("utf-8") for path in WORKFLOWS]
# What a job may do besides reading the repository; such a job runs no command.
WRITES = {"deploy": {"pages": "write", "id-token": "write"}}
PINNED = re.compile(r"uses: ([\w-]+/[\w-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)")


def faults(text):
    """What is wrong with a workflow."""
    workflow, found = yaml.safe_load(text), []
    found += [line.strip() for line in text.splitlines() if "uses:" in line and not PINNED.search(line)]
    if workflow.get("permissions") != {}:
        found.append("rights for all jobs")
    if "concurrency" not in workflow:
        found.append("no concurrency")
    # These run with the repository's rights on what a stranger sends.
    found += [name for name in ("pull_request_target", "workflow_run") if name in workflow[True]]  # `on:` is true
    for name, job in workflow["jobs"].items():
        if not 0 < job.get("timeout-minutes", 0) <= 60:
            found.append(f"{name}: no time limit")
        if job.get("permissions") != WRITES.get(name, {"contents": "read"}):
            found.append(f"{name}: rights are {job.get('permissions')}")
        for step in job["steps"]:
            run, options = step.get("run", ""), step.get("with", {})
            if "actions/checkout@" in step.get("uses", "") and options.get("persist-credentials") is not False:
                found.append(f"{name}: the token stays in the checkout")
            if "${{" in run:
                found.append(f"{name}: a value is pasted into a command: {run}")
            if run and name in WRITES:
                found.append(f"{name}: a command where there is a right to write")
    return found


@pytest.mark.parametrize("text", TEXTS, ids=[path.name for path in WORKFLOWS])
def test_a_workflow_has_no_fault(text):
    assert faults(text) == []


def test_an_action_is_the_same_commit_everywhere():
    used = {found for text in TEXTS for found in PINNED.findall(text)}
    assert len(used) >= 4
    assert len({action for action, *_ in used}) == len(used)


def test_every_command_is_one_that_anyone_can_type():
    chores = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    commands = [run for text in TEXTS for run in re.findall(r"run: (.*?)(?:  #.*)?$", text, re.M)]
    assert commands and set(commands) <= {f"make {chore}" for chore in chores}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("permissions: {}", "permissions:\n  contents: read"),
        ("permissions: {}\n", ""),
        ("      contents: read", "      contents: write"),
        ("    permissions:\n      contents: read\n", ""),
        ("@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2", "@v6"),
        (" # v6.0.2", ""),
        ("persist-credentials: false", "persist-credentials: true"),
        ("        with:\n          persist-credentials: false\n", ""),
        ("    timeout-minutes: 20\n", ""),
        ("concurrency:\n  group: publish\n  cancel-in-progress: false\n", ""),
        ("  push:", "  pull_request_target:"),
        ("run: make lite", "run: make lite ${{ github.head_ref }}"),
        ("      - id: deployment", "      - run: make book\n      - id: deployment"),
    ],
)
def test_each_rule_can_be_broken(before, after):
    (text,) = (text for text in TEXTS if text.startswith("# Build the book and publish it"))
    assert before in text
    assert faults(text.replace(before, after, 1)) != []
