"""What the tutor says about a mistake: a sentence, what the line should be thinking about, and where to read on.

Mistakes are grouped by the line in which they are made, because the hint and the section belong to the line.
The words themselves are in `words_deltas`, `words_costs` and `words_codes`.
"""

from typing import NamedTuple


class Line(NamedTuple):
    """One line of a formula: a hint, the section that derives it, and for each switch what the learner has done."""

    hint: str
    where: str
    mistakes: dict[str, str]


def chapter(section, page, equation):
    """Say where in the book to look; `verdict` turns this into a link."""
    return f'"{section}" in chapters/{page} ({equation})'
