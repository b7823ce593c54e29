"""Stage ``sam_filter_prompts``: caption real images, append the names of their classes, and draw the prompts to generate from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from methods.common.errors import InputError
from methods.common.files import write_atomic
from methods.common.generators.captioners import CaptionerConfig, TemplateCaptions, caption_seed, load_captioner
from methods.common.generators.class_prompts import SEPARATOR, append_classes, class_prompt
from methods.common.resumable_records import append_lines, keep_lines
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.common.datasets.labelled_images import LabelledImages
    from methods.common.seeds import Seeds

BACKGROUND = "background"
_IGNORED = 255


class PromptsConfig(Config):
    """Which prompts are made."""

    split: str = "trainaug"
    """Images that are captioned. Section 2.1 [? D28]."""
    fallback_split: str | None = "train"
    """Split that is taken where the data set has no ``split``; None to insist on it."""
    captioner: CaptionerConfig = TemplateCaptions()
    """Where captions come from."""
    samples_per_image: int = Field(default=4, ge=1)
    """Captions that may be drawn for one image. Section 2.1 [? D60]; VOC's 10,582 images need 4 for 40,000 prompts."""
    num_prompts: int = Field(default=40_000, ge=1)
    """Records to draw. [P]"""
    min_images_per_class: int = Field(default=0, ge=0)
    """A class is drawn at least so often, as far as its images go. Section 2.1 [? D28]."""
    max_classes: int | None = Field(default=None, ge=1)
    """Classes of a prompt at most: those with most pixels. None for all. [C D61]"""
    separator: str = SEPARATOR
    """Between caption and class names. [DD]"""


Candidate = tuple[int, int]
"""Number of an image, and of a caption of it."""


def make_prompts(inputs: Inputs, config: PromptsConfig, context: Context) -> Record:
    """Write ``prompts.jsonl`` and ``classes.json``.

    Roles: ``data`` (a data set for semantic segmentation), ``captioner`` (a BLIP folder, for that captioner only).

    Raises:
        InputError: no image has a class, or there are fewer candidates than prompts.
    """
    data, split = _open(inputs, config)
    present = _classes_of_images(data, config, context)
    drawn = draw_candidates(present, config, context.seeds)
    folders = inputs.folders("captioner")
    captioner = load_captioner(config.captioner, folders[0] if folders else None, context.device)
    write_atomic(context.out / "classes.json", json.dumps(list(data.class_names)).encode())
    path = context.out / "prompts.jsonl"
    found = context.checkpoints.load()
    done = len(keep_lines(path, 0 if found is None else found[0]))
    for number in range(done, len(drawn)):
        image, sample = drawn[number]
        pixels = data[image][0] if captioner.looks else None
        seed = caption_seed(context.seeds, data.name(image), sample)
        caption = captioner.captions(pixels, present[image], [seed])[0]
        append_lines(path, [prompt_record(number, caption, present[image], config.separator)])
        if context.checkpoint_due():
            context.checkpoints.save(number + 1, None)
        context.progress(number + 1, len(drawn), "prompts")
    return _record(drawn, present, split, config)


def prompt_record(number: int, caption: str, class_names: Sequence[str], separator: str) -> dict[str, Any]:
    """Return one line of ``prompts.jsonl``."""
    return {
        "id": f"{number:06d}",
        "caption": append_classes(caption, class_names, separator),
        "class_prompt": class_prompt(class_names),
        "classes": list(class_names),
    }


def _open(inputs: Inputs, config: PromptsConfig) -> tuple[LabelledImages, str]:
    from methods.common.datasets.open_labelled import open_labelled_images

    folder = inputs.folder("data")
    try:
        data: LabelledImages = open_labelled_images(folder, config.split)
        split = config.split
    except InputError:
        if config.fallback_split is None:
            raise
        data, split = open_labelled_images(folder, config.fallback_split), config.fallback_split
    if data.class_names[0] != BACKGROUND:
        raise InputError(
            f"{folder}: label 0 is {data.class_names[0]!r}, but generated masks need 0 for {BACKGROUND!r}; add that class first"
        )
    return data, split


def _classes_of_images(data: LabelledImages, config: PromptsConfig, context: Context) -> list[tuple[str, ...]]:
    """Name the classes of each image, in the order of their labels."""
    present = []
    for index in range(len(data)):
        present.append(classes_present(data[index][1], data.class_names, config.max_classes))
        context.progress(index + 1, len(data), "label maps")
    return present


def classes_present(
    label_HW: NDArray[np.uint8], class_names: Sequence[str], max_classes: int | None
) -> tuple[str, ...]:
    """Name the classes of an image in the order of their labels; those with most pixels where there are too many."""
    import numpy as np

    labels, counts = np.unique(label_HW[(label_HW != 0) & (label_HW != _IGNORED)], return_counts=True)
    largest = labels[np.argsort(-counts, kind="stable")][:max_classes]
    return tuple(class_names[label] for label in sorted(largest.tolist()))


def draw_candidates(present: Sequence[Sequence[str]], config: PromptsConfig, seeds: Seeds) -> list[Candidate]:
    """Draw captions without replacement, so that rare classes are not below their minimum as far as their images go.

    In a fixed random order: while some class is below the minimum, the next caption of the class that has least; then the next ones of
    any class. What is drawn is shuffled, so that parts of the list are alike. Images without a class are left out.

    Raises:
        InputError: there are not enough captions.

    Source: section 2.1; the rule is our choice [? D28].
    """
    rng = seeds.numpy("generation", "prompts")
    usable = [index for index, names in enumerate(present) if names]
    candidates = [(image, sample) for sample in range(config.samples_per_image) for image in usable]
    if len(candidates) < config.num_prompts:
        raise InputError(
            f"split {config.split!r} has {len(usable)} images with a class, so {len(candidates)} captions for {config.num_prompts} prompts; "
            "raise samples_per_image or ask for fewer prompts"
        )
    # Sample after sample, so that no image comes twice before each has come once.
    ordered = [
        candidates[k * len(usable) + i] for k in range(config.samples_per_image) for i in rng.permutation(len(usable))
    ]
    chosen = _for_minimum(ordered, present, config)
    taken = set(chosen)
    rest = (candidate for candidate in ordered if candidate not in taken)
    chosen += [next(rest) for _ in range(config.num_prompts - len(chosen))]
    return [chosen[i] for i in rng.permutation(len(chosen))]


def _for_minimum(
    ordered: Sequence[Candidate], present: Sequence[Sequence[str]], config: PromptsConfig
) -> list[Candidate]:
    """Choose the captions that classes below the minimum need."""
    queues: dict[str, list[Candidate]] = {}
    for candidate in reversed(ordered):  # popped from the end
        for name in present[candidate[0]]:
            queues.setdefault(name, []).append(candidate)
    counts = dict.fromkeys(sorted(queues), 0)
    chosen: dict[Candidate, None] = {}
    while len(chosen) < config.num_prompts:
        short = [name for name in counts if counts[name] < config.min_images_per_class and queues[name]]
        if not short:
            break
        candidate = queues[min(short, key=lambda name: counts[name])].pop()
        if candidate not in chosen:
            chosen[candidate] = None
            for name in present[candidate[0]]:
                counts[name] += 1
    return list(chosen)


def _record(drawn: Sequence[Candidate], present: Sequence[Sequence[str]], split: str, config: PromptsConfig) -> Record:
    counts: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for image, _ in drawn:
        sizes[str(len(present[image]))] = sizes.get(str(len(present[image])), 0) + 1
        for name in present[image]:
            counts[name] = counts.get(name, 0) + 1
    return {
        "split": split,
        "num_prompts": len(drawn),
        "num_source_images": len({image for image, _ in drawn}),
        "images_per_class": dict(sorted(counts.items())),
        "prompts_by_num_classes": dict(sorted(sizes.items())),
        "below_minimum": _below_minimum(counts, config.min_images_per_class),
    }


def _below_minimum(counts: Mapping[str, int], minimum: int) -> dict[str, int]:
    return {name: count for name, count in sorted(counts.items()) if count < minimum}


SYNTH_PROMPTS = Stage(
    "sam_filter_prompts", 1, PromptsConfig, make_prompts, ("generation",), uses_gpu=True, kind="prepare"
)
