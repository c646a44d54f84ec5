"""Moved to `saelib.book.steps`."""

from ._moved import moved

moved(__name__)
