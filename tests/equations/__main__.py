"""Store what the checks measure in `measured.json`, so that a book built without a run of the tests shows it."""

import json

from tests.equations import CHECKS, STORED, load, measure, summarized

if __name__ == "__main__":
    load()
    found = {label: summarized(check, measure(check, check.formula)) for label, check in sorted(CHECKS.items())}
    lines = (f"{json.dumps(label)}: {json.dumps(what)}" for label, what in found.items())
    STORED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
