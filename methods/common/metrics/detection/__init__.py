"""COCO's and LVIS' average precision of boxes, masks and boundaries."""
