"""Recorders for other libraries' training loops, one file per library, which it alone imports."""
