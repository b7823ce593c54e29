"""Segmenters trained on pairs whose masks are drawn from text and whose images are painted onto masks ("SegGen"), one idea a file."""
