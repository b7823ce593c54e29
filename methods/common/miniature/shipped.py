"""Where the repository keeps its miniature checkpoints. Imports nothing heavy."""

from pathlib import Path

CHECKPOINTS = Path(__file__).parent / "checkpoints"
"""Holds ``stable_diffusion``, ``clip``, ``cutout``, ``judges``, ``training_provenance.json`` and ``checkpoint_report.json``."""
