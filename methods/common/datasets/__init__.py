"""Readers and writers of data sets in the official layouts, and of the label maps and masks in them. Knows no metric."""
