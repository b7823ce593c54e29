"""Repainting a masked part of a picture: one call for every back end, diffusion or none."""
