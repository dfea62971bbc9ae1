"""A recorded training, opened: averaged, evaluated, and made into runs as train.py leaves them."""
