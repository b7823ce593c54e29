"""`segrepro evaluate`: a command a metric."""
