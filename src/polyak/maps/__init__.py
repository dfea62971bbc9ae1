"""Maps of a training: every window, every width, the path of its weights."""
