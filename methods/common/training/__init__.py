"""How networks are trained: the one loop, processes that share its batches, recipes, schedules, averaged weights, samplers."""
