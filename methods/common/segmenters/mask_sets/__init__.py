"""Networks that predict a set of masks, each with a class, one for each query: their targets, points, matching, losses and scores."""
