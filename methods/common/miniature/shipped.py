"""Where the repository keeps its miniature checkpoints. Imports nothing heavy."""

from pathlib import Path

CHECKPOINTS = Path(__file__).parent / "checkpoints"
"""Holds ``stable_diffusion``, ``clip``, ``cutout``, ``sam``, ``judges``, ``inpainting``, ``gligen`` and ``street_segmenter`` of the street, and the JSON
files ``training_provenance``, ``checkpoint_report`` and ``street_report``."""
FLAT_VAE = "flat_vae"
"""Folder there of the generator's autoencoder with a decoder that also knows flat colours; the latents are those of ``stable_diffusion``."""
