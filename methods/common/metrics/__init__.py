"""Metrics, each by its official definition: a room for each kind of input, and what all of them answer with.

``detection``, ``cityscapes``, ``label_maps`` and ``generated_images`` compute; ``official`` runs the field's own packages on the same files.
"""
