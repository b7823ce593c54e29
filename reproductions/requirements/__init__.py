"""What plans need from outside (data, weights, GPU memory): where it is looked for, and whether it is whole."""
