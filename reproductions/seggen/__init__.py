"""SegGen: masks from text, images from masks, and segmenters that train on both."""
