"""Which runs may be compared, and what they say in numbers."""
