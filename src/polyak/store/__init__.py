"""Trajectories on disk: named by their fingerprints, trained once, resumed, repaired, reused."""
