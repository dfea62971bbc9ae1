"""What a sweep says, from the files its runs left: tables and figures. Never trains or evaluates.

python -m analysis outputs/sweeps/NAME
"""
