"""HRNet as a semantic segmenter: four resolutions side by side to the end, one layer over all of them."""
