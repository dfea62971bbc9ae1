"""Images: one file per source, their splits, and what a model is given of them."""
