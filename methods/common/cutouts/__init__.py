"""Dichotomous segmenters: picture in, one soft foreground mask out."""
