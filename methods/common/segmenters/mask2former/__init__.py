"""Mask2Former, a mask classification network: its own loss, post-processing and readers of official weights.

Pixel decoder and transformer decoder are those of ``transformers``; backbones are those of ``segmenters/backbones``.
"""
