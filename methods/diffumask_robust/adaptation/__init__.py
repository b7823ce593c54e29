"""A generator adapted to a distant domain by LoRA (section 7)."""
