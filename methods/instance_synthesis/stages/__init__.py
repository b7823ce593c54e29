"""The stages that only this paper has."""
