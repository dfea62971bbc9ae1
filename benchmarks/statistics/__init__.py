"""How often the statistics of the analysis are right, simulated."""
