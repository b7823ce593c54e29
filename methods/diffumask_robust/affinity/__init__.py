"""AffinityNet: which cells of an image belong together, and a random walk along that (section 10.4)."""
