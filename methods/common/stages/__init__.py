"""Stages that any paper can plan: training and evaluation of semantic and of instance segmenters.

A paper whose stage has more to say, such as a source of training images of its own, keeps a thin stage around the function.
"""
