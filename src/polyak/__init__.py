"""Weight averaging of neural networks: train once, keep every epoch, average any window.

Named for Polyak-Ruppert averaging (Ruppert 1988; Polyak and Juditsky 1992,
https://doi.org/10.1137/0330046).
"""

__version__ = "0.1.0"
