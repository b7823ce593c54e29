"""FreeMask's two steps, which work on any generator's pairs: noisy regions are ignored, easy masks are used less (section 9)."""
