"""The paper behind ``methods/diffumask_robust``: so far, what was decided where its sources are silent."""
