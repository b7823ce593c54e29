"""Segmenters trained on diffusion attention as weak supervision ("Attn2mask"), one idea a file."""
