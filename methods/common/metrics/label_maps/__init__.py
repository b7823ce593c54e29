"""Metrics of label maps: mIoU, PQ, ImageNet-S, the quality of single masks."""
