"""Augmentations of the training images, one file each: frozen dataclasses of their parameters.

CropFlip(pad=4).apply(images, drawn)
"""
