"""Moved to `saelib.book.tutor`."""

from ._moved import moved

moved(__name__)
