"""SegGen's ideas: masks from captions, images from masks."""
