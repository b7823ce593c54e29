"""OneFormer, one network for semantic, instance and panoptic segmentation, which a sentence tells its task.

Decoders and text encoder are those of ``transformers``, mended where they differ from the release (see ``head.py`` and
``text.py``); backbones are those of ``segmenters/backbones``; losses, post-processing and the reader of official weights are here.
"""
