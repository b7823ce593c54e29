"""Over how many classes a mean was taken, and which were left out and why."""

from collections.abc import Mapping, Sequence

NO_PIXEL = "without a pixel that counts in ground truth or predictions"
_FIRST = 3


def mean_note(name: str, num_classes: int, left_out: Mapping[str, Sequence[str]]) -> str:
    """Return the sentence.

    Args:
        name: of the mean.
        num_classes: classes in all.
        left_out: names of the classes that take no part, by the reason in the form `without ...`.
    """
    reasons = {reason: names for reason, names in left_out.items() if names}
    num_taken = num_classes - sum(map(len, reasons.values()))
    if not reasons:
        return f"{name} is the mean over " + (f"all {num_classes:,} classes" if num_classes > 1 else "the one class")
    listed = ", ".join(f"{len(names):,} {reason} ({some_of(names)})" for reason, names in reasons.items())
    taken = (
        f"is the mean over {num_taken:,} of {num_classes:,} classes" if num_taken else "has no class to be a mean of"
    )
    return f"{name} {taken}; left out: {listed}"


def some_of(names: Sequence[str]) -> str:
    """Return the first few names, for a sentence."""
    return ", ".join([*names[:_FIRST], *(["..."] if len(names) > _FIRST else [])])
