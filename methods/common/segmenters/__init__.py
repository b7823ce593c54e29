"""Segmenters that the papers train, one folder each."""
