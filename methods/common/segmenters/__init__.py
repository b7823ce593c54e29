"""Segmenters that the papers train: a folder for each network, and the rooms that networks share.

``backbones``, ``checkpoints.py`` (published weights) and ``saved.py`` (our own folders) know no network; ``semantic`` and ``instance`` say
what a segmenter of either kind is, and know networks by name in their ``segmenters.py`` alone; networks never know each other.
"""
