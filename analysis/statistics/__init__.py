"""Intervals, tests and minimum detectable effects, on plain numbers."""
