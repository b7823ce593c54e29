"""The paper behind ``methods/instance_synthesis``: its printed numbers, its claims, our deviations, and the runs that test them."""
