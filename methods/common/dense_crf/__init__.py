"""Fully connected CRF of an image's pixels with Gaussian kernels: mean field on a permutohedral lattice."""
