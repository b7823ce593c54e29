"""Cells, store, plan, launchers, seeds and verdicts."""
