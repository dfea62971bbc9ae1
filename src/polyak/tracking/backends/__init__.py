"""One file per tool, and each tool's library imported in its own file alone."""
