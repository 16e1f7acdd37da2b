"""Errors that a person can act on. Each message names the file, row or key, and what to do.

DataError                a dataset, a row or a manifest is not what it must be
+-- NotFoundError        there is no such dataset, version or tag
+-- CorruptError         bytes do not match their hash, or cannot be read
+-- ConflictError        somebody else committed first, or holds the lock
"""

from __future__ import annotations


class DataError(Exception):
    """Something on disk, or about to go there, is not what it must be."""


class NotFoundError(DataError):
    """No such dataset, version or tag."""


class CorruptError(DataError):
    """A file's bytes are not the ones that were committed."""


class ConflictError(DataError):
    """Another process committed first, or is at work on the same build."""


class WriteError(DataError):
    """Something could not be written. What was written before is whole."""
