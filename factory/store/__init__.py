"""Versions on disk: commit, tag, verify, collect garbage, compare, export."""
