"""The schemes, one file each. They need no torch."""
