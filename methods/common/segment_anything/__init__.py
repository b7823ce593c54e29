"""Segment Anything: prompted masks and automatic masks, by transformers or by the package of the release."""
