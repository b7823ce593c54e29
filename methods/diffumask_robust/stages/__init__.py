"""Stages that only this paper has."""
