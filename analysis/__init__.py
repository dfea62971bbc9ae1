"""What sweeps say, from the files that their runs left. Never trains or evaluates.

python -m analysis outputs/sweeps/NAME
"""
