"""Metrics, each by its official definition."""
