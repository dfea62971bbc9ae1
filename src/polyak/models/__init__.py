"""Networks, one file per family, their initial weights and their precision."""
