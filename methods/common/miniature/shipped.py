"""Where the repository keeps its miniature checkpoints. Imports nothing heavy."""

from pathlib import Path

CHECKPOINTS = Path(__file__).parent / "checkpoints"
"""Holds ``stable_diffusion``, ``clip``, ``cutout``, ``sam``, ``judges``, the painters of the street ``inpainting`` and ``gligen``, and the JSON
files ``training_provenance``, ``checkpoint_report`` and ``street_report``."""
