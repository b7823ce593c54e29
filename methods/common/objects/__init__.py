"""Pools of cut-out objects."""
