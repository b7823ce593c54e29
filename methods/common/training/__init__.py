"""Parts of a training loop that several papers share: recipe, schedule, averaged weights, sampler."""
