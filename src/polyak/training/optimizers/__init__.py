"""Optimizers, one file each: torch's, with the ranges of their parameters.

Any class of torch.optim can be used without a file here: `_target_: torch.optim.RMSprop`.
"""
