"""CenterNet2 for long-tail instance segmentation, on torch and torchvision operators only.

Start at ``presets.py`` (complete configs), then ``model.py`` (the network's public methods). ``official.py`` loads
published checkpoints.
"""
