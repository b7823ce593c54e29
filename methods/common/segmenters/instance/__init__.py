"""Instance segmentation: what a segmenter is, and what all need beside their network, from training images to detections."""
