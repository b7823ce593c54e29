"""Where the repository keeps its miniature checkpoints. Imports nothing heavy."""

from pathlib import Path

CHECKPOINTS = Path(__file__).parent / "checkpoints"
"""Holds ``stable_diffusion``, ``clip``, ``cutout``, ``sam``, ``judges``, and the JSON files ``training_provenance`` and
``checkpoint_report``."""
