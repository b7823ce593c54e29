"""Own data with instance masks, as annotation tools export them: found, completed, checked, and read as one data set."""
