"""A run's directory: what it computes, records, draws and says."""
