"""Versions on disk: tag, verify, collect garbage, compare, export. A version is committed by `schemas.commit`."""
