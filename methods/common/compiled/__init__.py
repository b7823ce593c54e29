"""Loops in C for what is plain in large files, and how they are compiled and called."""
