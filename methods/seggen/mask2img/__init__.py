"""Mask2Img: from a mask drawn in colours and a caption to a picture (section 6)."""
