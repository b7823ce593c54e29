"""What segmenters share whose queries each predict one mask: points of masks, costs and losses at them, assignment, instances."""
