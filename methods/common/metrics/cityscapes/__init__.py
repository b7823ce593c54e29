"""Cityscapes' semantic and instance metrics."""
