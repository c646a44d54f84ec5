"""Stands in for the compiled package in the tests' Python of the browser, which does not bring it.

The format is simple enough for that: eight bytes with the size of the header, the header in JSON, and the numbers.
"""


class SafetensorError(Exception):
    pass
