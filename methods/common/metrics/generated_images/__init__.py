"""Metrics of generated pictures: FID, KID, CLIP scores."""
