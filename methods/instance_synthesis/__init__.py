"""Instance-level synthesis: a frozen generator repaints single annotated instances, and segmenters train on the result."""
