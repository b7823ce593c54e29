"""Sampling of masks and pictures from the two generators (sections 2, 5 and 6)."""
