"""DiffuMask, the baseline: from attention to masks, and from masks to a training set (section 10), one idea a file."""
