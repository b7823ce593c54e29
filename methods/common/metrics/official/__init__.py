"""The field's own packages, run on the same files for a second opinion."""
