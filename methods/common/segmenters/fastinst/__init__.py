"""FastInst: an instance segmenter whose queries are the places of a feature map that look most like an object.

Its parts: ``pixel_decoder.py``, ``proposals.py``, ``decoder.py``; ``losses.py`` trains it, ``official.py`` reads published weights.
"""
