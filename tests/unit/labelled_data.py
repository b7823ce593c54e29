"""What the tests of data sets for semantic segmentation share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from methods.common.errors import InputError


def random_image(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Noise, uint8 [height, width, 3]."""
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_image(path: Path, image_HW3: NDArray[np.uint8]) -> None:
    """Write a picture in the format of its file's ending."""
    Image.fromarray(image_HW3).save(path)


def cut_file(path: Path) -> None:
    """Take the last bytes of a file away."""
    path.write_bytes(path.read_bytes()[:-40])


def refusal(call: Callable[[], object]) -> str:
    """Return the one sentence with which a call refuses its input."""
    with pytest.raises(InputError) as caught:
        call()
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence
