"""DiffusionInst: instances by boxes that a decoder frees from noise, each with filters of its own for the mask."""
