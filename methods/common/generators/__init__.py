"""Text-to-image generators: loading and sampling, captions and class prompts, and masks from their attention."""
