"""Metrics of generated pictures: FID, KID, CLIP scores, and how far pictures are from those they should equal."""
