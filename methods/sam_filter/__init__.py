"""Mask filtering and pre-training on drawn shapes: the paper ``sam_filter``."""
