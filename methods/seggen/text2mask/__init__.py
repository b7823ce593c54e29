"""Text2Mask: from a caption to a mask drawn in colours (section 5)."""
