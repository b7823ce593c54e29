"""Networks of transformers and diffusers from their folders: every weight comes from the files, or nothing is loaded.

``from_pretrained`` only warns about weights that a folder lacks, or that have another shape, and draws those at random.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError

from methods.common.errors import InputError

SAVED_BY_TRANSFORMERS = "name a folder saved by transformers"
"""What to do where a folder does not hold a network."""
_FAULTS = (OSError, ValueError, RuntimeError, TypeError, LookupError, AttributeError, ImportError, SafetensorError)
"""What the libraries raise for places that do not hold what they look for."""
_LENGTH = 300


@contextmanager
def one_sentence(place: Path | str, what: str, remedy: str = SAVED_BY_TRANSFORMERS) -> Iterator[None]:
    """Turn what a library raises while it loads into one sentence, and keep it from printing bars and tables meanwhile.

    Args:
        place: what is loaded.
        what: it should be, such as "CLIP".
        remedy: what to do, as the end of a sentence.

    Raises:
        InputError: the place does not hold what it should.
        MemoryError, torch.OutOfMemoryError, RuntimeError: there is no room for it, which says nothing of the place.
    """
    libraries: list[Any] = [transformers, *([sys.modules["diffusers"]] if "diffusers" in sys.modules else [])]
    before = [library.utils.logging.get_verbosity() for library in libraries]
    for library in libraries:
        library.utils.logging.disable_progress_bar()
        library.utils.logging.set_verbosity_error()
    try:
        yield
    except InputError:
        raise
    except _FAULTS as error:
        if is_out_of_memory(error):
            raise
        raise InputError(f"{place} holds no {what} ({in_brief(error)}); {remedy}") from error
    finally:
        for library, verbosity in zip(libraries, before, strict=True):
            library.utils.logging.set_verbosity(verbosity)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that a device or the machine has no room left."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def in_brief(error: Exception) -> str:
    """Return an error's first words on one line."""
    return " ".join(str(error).split())[:_LENGTH] or type(error).__name__


def load_whole(
    network_class: Any, folder: Path | str, what: str, remedy: str = SAVED_BY_TRANSFORMERS, **options: Any
) -> Any:
    """Load a network by its class's ``from_pretrained``; every weight that it has must lie in the folder, in its shape.

    Weights that the network ties to others, and those that the class itself says may be absent, need not be there. What a
    folder holds beyond the network is left alone: some hold a larger network around it.

    Args:
        network_class: of transformers or diffusers.
        folder: a folder, or a name that ``from_pretrained`` knows.
        what: it is, for messages.
        remedy: what to do where it does not fit, as the end of a sentence.
        options: further arguments of ``from_pretrained``.

    Raises:
        InputError: nothing loadable is there, or weights are missing or have other shapes.
    """
    with one_sentence(folder, what, remedy):
        network, info = network_class.from_pretrained(
            folder, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
    refuse_holes(folder, what, info, remedy)
    return network


def refuse_holes(place: Path | str, what: str, info: Mapping[str, Any], remedy: str) -> None:
    """Raise InputError where loading left weights at random.

    Args:
        place: what was loaded.
        what: it is, for messages.
        info: ``missing_keys``, names; ``mismatched_keys``, names with the shape in the file and the network's.
        remedy: what to do.
    """
    missing, others = sorted(info["missing_keys"]), sorted(info["mismatched_keys"])
    problems = []
    if missing:
        problems.append(f"lacks {len(missing)} of the weights of {what}, {missing[0]} among them")
    if others:
        name, found, wanted = others[0]
        problems.append(
            f"holds {len(others)} weights of {what} in another shape, {name} as {tuple(found)} instead of {tuple(wanted)} among them"
        )
    if problems:
        raise InputError(f"{place} {' and '.join(problems)}; {remedy}")
