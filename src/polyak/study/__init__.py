"""Trainings of somebody's own: recorded, opened, averaged, evaluated as train.py's are."""
