"""Segment Anything: prompted masks, automatic masks, published weights."""
