"""A diffusion model's own features as a backbone: Stable Diffusion's U-Net and autoencoder, read at one time step."""
