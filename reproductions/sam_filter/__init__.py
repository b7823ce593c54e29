"""The paper behind ``methods/sam_filter``: its printed numbers, its claims, our deviations, and the runs that test them."""
