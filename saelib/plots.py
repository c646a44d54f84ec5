"""Moved to `saelib.book.plots`."""

from ._moved import moved

moved(__name__)
