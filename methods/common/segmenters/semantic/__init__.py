"""Semantic segmentation: what a segmenter is, the small network of our own, and training, starts and prediction of all of them."""
