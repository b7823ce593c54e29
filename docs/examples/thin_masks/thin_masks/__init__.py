"""What is a sloppy outline worth? A paper in a package of its own."""
