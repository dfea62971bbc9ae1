"""Files of weights: our checkpoints, foreign sources, one layout check, distances."""
