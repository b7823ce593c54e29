"""Semantic segmenters behind one seam: the networks, their training and their evaluation."""
