"""Finished and growing runs, shown by the tools that people watch trainings with."""
