"""Readers and writers of the official on-disk layouts."""
