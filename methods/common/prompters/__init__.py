"""Segmenters that take a class name: readings of "SAM with the class name as text prompt". One module a prompter."""
