"""The commands of ``segrepro evaluate``, one a metric."""

from reproductions.commands.evaluate import instance_commands, label_map_commands, picture_commands
from reproductions.commands.evaluate.options import app

__all__ = ["app", "instance_commands", "label_map_commands", "picture_commands"]
