"""MRCA's and X-Paste's stages: the ideas of this paper, joined to files. One stage a module; each starts light."""
