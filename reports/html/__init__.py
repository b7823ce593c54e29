"""The report as one HTML file that needs nothing beside it: the tables, and behind each number the runs that it comes from."""
