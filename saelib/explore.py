"""Moved to `saelib.book.explore`."""

from ._moved import moved

moved(__name__)
