"""Names of the files in which an evaluation keeps its scores and what it shows, and what is in them. Loads nothing, so that reports may read them."""

IMAGES_FILE = "per_image.parquet"
"""A row an image, in the order of the split: ``image`` (its name, text), ``score`` (float64, percent; NaN where it is undefined) and
what else the evaluation says of an image."""
CLASSES_FILE = "per_class.parquet"
"""A row a class, in the order of the class indices: ``class`` (its name, text) and float64 columns of scores in percent, NaN where one
is undefined."""
SHOWN_FILE = "shown/shown.json"
"""A list of the images with the best and the worst score: ``title``, ``image``, ``score``, and ``pictures``, files beside it by words."""
PICTURES_FILE = "images.json"
"""Beside predictions: COCO's ``images`` and ``categories``, and where the pictures lie, ``role`` of the input and folder ``below`` it. Where
label maps were predicted also ``label_maps``: their ``files`` below the evaluation, in the order of ``images``, and the ``names`` of their values."""
