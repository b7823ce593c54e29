"""The paper behind ``methods/mrca``: its printed numbers, its claims, our deviations, and the runs that test them."""
