"""Quick looks at data, weights and machines: is everything there, and whole?"""
