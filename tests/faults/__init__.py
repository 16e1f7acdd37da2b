"""Faults that a long run meets, as seeded scripts: few in the suite, many on demand (`python -m tests.faults.kill`)."""
