"""The findings in words, tables and one HTML file."""
