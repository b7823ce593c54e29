"""DeepLab: a semantic segmenter that looks at a dilated backbone's last map at several rates.

``config.py`` and ``presets.py`` say which one; ``head.py`` is what stands on the backbone, ``official.py`` reads published weights.
"""
