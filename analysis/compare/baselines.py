"""What the average is compared with, by its key in summary.json's results."""

BASELINES = {
    "window_mean": "the mean of the window's checkpoints",
    "last": "the last checkpoint",
    "best_by_validation": "the best checkpoint by validation",
    "ensemble": "the ensemble of the window's checkpoints",
}

SHORT = {
    "average": "average",
    "window_mean": "mean checkpoint",
    "last": "last checkpoint",
    "best_by_validation": "best by validation",
    "ensemble": "ensemble",
}
"""For legends and titles."""

PRIMARY = "gain_over_window_mean_test"
"""The column of the primary comparison, which is specified beforehand."""
