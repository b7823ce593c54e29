"""Backbones that several segmenters use: ResNet, Swin, their published weights."""
