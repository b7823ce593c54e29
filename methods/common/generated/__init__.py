"""Generated image-mask pairs and pictures on disk: writing, reading, shards."""
