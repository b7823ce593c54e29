"""Statistics, claims and verdicts."""
