"""Sweeps under faults, for as long as is asked for: python -m tests.soak --help."""
