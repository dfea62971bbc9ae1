"""What is read back from files: one schema per file, and the one code that opens them.

`reading.py` opens JSON, CSV, YAML and text, with limits; beside it, each file has a module with its
schema. What doesn't fit is one PolyakError that names file, field, value and what is allowed.
Nothing here needs torch.
"""
