"""What is run: plans, recipes, claims, and the harness that carries them out."""
