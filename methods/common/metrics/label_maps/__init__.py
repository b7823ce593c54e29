"""Metrics of label maps: confusion matrices and mIoU, PQ, ImageNet-S, agreement of generated masks with references; folders of PNG files."""
