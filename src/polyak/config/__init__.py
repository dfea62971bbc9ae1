"""From YAML and the command line to a checked configuration, and on to objects: all
that knows Hydra."""
