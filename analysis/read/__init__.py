"""From directories to tables: files in, rows out."""
