"""MRCA, multi-round generative augmentation for long-tail instance segmentation, and X-Paste, one idea a file."""
