"""The plan that trains the miniature checkpoints."""
