"""Trainings of somebody's own as they go: recorded, on one device or many, or adopted."""
