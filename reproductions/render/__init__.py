"""``segrepro render``: draw the data sets of formulas into folders."""
