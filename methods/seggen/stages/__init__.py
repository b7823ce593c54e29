"""The stages of the paper, each a pure step from folders to a folder."""
