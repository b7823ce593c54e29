"""Tasks, sentences and losses of OneFormer, against hand counts, the library's own loss, and one process with the whole batch."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers.models.oneformer import modeling_oneformer as library

from methods.common.errors import InputError
from methods.common.miniature.tokenizer import build_tokenizer
from methods.common.segmenters.oneformer import sentences as sentences_module
from methods.common.segmenters.oneformer.contrastive import contrastive_loss
from methods.common.segmenters.oneformer.model import OneFormer
from methods.common.segmenters.oneformer.presets import oneformer_r50
from methods.common.segmenters.oneformer.sentences import (
    clip_tokens,
    command_row,
    filler_row,
    known_tokens,
    sentences_of,
)
from methods.common.segmenters.oneformer.tasks import draw_tasks, task_targets
from methods.common.training.batch_shard import BatchShare
from methods.common.training.distributed import Team
from tests.unit.oneformer_scenes import CLASSES, config, gradients_alone, run_team, scenes, target_of
from tests.unit.team_processes import free_ports, start_processes

SEMANTIC, INSTANCE, PANOPTIC = 0, 1, 2


def four_segments() -> tuple[list[int], Tensor]:
    """Sky in two pieces, a green thing, a red thing, and an empty one."""
    masks = torch.zeros(5, 2, 4, dtype=torch.bool)
    masks[0, 0, 0] = masks[1, 0, 3] = masks[2, 0, 1] = masks[3, 1, :2] = True
    return [2, 2, 1, 0, 1], masks


def targets_for(task: int):
    classes, masks = four_segments()
    return task_targets([target_of(classes, masks)], torch.tensor([task]), config(), (4, 6))


def test_semantic_targets_are_one_for_each_class() -> None:
    found, row_NT = targets_for(SEMANTIC)
    assert found.class_M.tolist() == [0, 1, 2]
    assert found.mask_MHW.shape == (3, 4, 6)
    assert found.mask_MHW[2].nonzero().tolist() == [[0, 0], [0, 3]]
    assert row_NT.tolist() == [[0, 1, 2, *[filler_row(config(), SEMANTIC)] * 3]]


def test_instance_targets_are_things_alone() -> None:
    found, row_NT = targets_for(INSTANCE)
    assert found.class_M.tolist() == [1, 0]
    assert found.mask_MHW[1].nonzero().tolist() == [[1, 0], [1, 1]]
    assert row_NT.tolist() == [[0, 1, *[filler_row(config(), INSTANCE)] * 4]]


def test_panoptic_targets_are_all_segments_with_a_pixel() -> None:
    found, row_NT = targets_for(PANOPTIC)
    assert found.class_M.tolist() == [2, 2, 1, 0]
    assert found.counts == [4]
    assert row_NT.tolist() == [[0, 1, 2, 2, *[filler_row(config(), PANOPTIC)] * 2]]


def test_sentences_beyond_the_last_query_are_cut() -> None:
    masks = torch.ones(9, 2, 2, dtype=torch.bool)
    _, row_NT = task_targets([target_of([1] * 8 + [0], masks)], torch.tensor([PANOPTIC]), config(), (2, 2))
    assert row_NT.tolist() == [[0, 1, 1, 1, 1, 1]]


def test_targets_of_several_images_keep_their_places() -> None:
    empty = target_of([], torch.zeros(0, 2, 4, dtype=torch.bool))
    classes, masks = four_segments()
    found, row_NT = task_targets([empty, target_of(classes, masks)], torch.tensor([0, 1]), config(), (4, 6))
    assert (found.counts, found.image_M.tolist(), found.place_M.tolist()) == ([0, 2], [1, 1], [0, 1])
    assert row_NT[0].unique().tolist() == [filler_row(config(), SEMANTIC)]


def test_sentences_are_those_of_the_release() -> None:
    made = sentences_of(config())
    assert made[:2] == ["a photo with a red thing", "a photo with a green thing"]
    assert [made[filler_row(config(), task)] for task in range(3)] == [
        "a semantic photo",
        "an instance photo",
        "a panoptic photo",
    ]
    assert made[command_row(config(), INSTANCE)] == "the task is instance"


def test_commands_have_clips_numbers_without_a_vocabulary() -> None:
    table = known_tokens(oneformer_r50())
    assert table.shape == (25, 77)
    assert table[-3, :8].tolist() == [49406, 518, 10549, 533, 29119, 1550, 49407, 0]
    assert table[-2, :7].tolist() == [49406, 518, 10549, 533, 34572, 49407, 0]
    assert table[-1, :8].tolist() == [49406, 518, 10549, 533, 1072, 24755, 49407, 0]
    assert not table[:-3].any()


def test_the_network_is_told_its_task_by_the_sentence() -> None:
    table, place = known_tokens(config()), sentences_of(config()).index("the task is instance")
    commands = OneFormer(config()).commands(torch.tensor([INSTANCE, PANOPTIC]))
    assert commands.dtype == torch.float32
    assert torch.equal(commands.long(), table[place : place + 2])


def test_words_are_numbered_and_the_end_is_the_largest() -> None:
    table = known_tokens(config())
    end = int(table.max())
    assert table[0].tolist()[:8] == [end - 1, 1, 2, 3, 1, 4, 5, end]
    assert table.argmax(dim=1).tolist()[:2] == [7, 7]
    assert not OneFormer(config()).lacks_sentences


def test_a_clip_tokenizer_gives_all_sentences_padded_with_zeros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = sorted(set(" ".join(sentences_of(config())).split()))
    tokenizer = build_tokenizer(words)
    tokenizer.save_pretrained(tmp_path)
    commands = {task: tuple(tokenizer(f"the task is {task}").input_ids[1:-1]) for task in sentences_module.TASKS}
    begin, *_, end = tokenizer("a").input_ids
    chosen = config(tokens="clip")
    with pytest.raises(InputError, match="is not CLIP's: it cuts 'the task is semantic' into other tokens"):
        clip_tokens(chosen, tmp_path)
    monkeypatch.setattr(sentences_module, "_COMMAND_TOKENS", commands)
    monkeypatch.setattr(sentences_module, "_BEGIN", begin)
    monkeypatch.setattr(sentences_module, "_END", end)
    table = clip_tokens(chosen, tmp_path)
    assert table[1].tolist() == [*tokenizer("a photo with a green thing").input_ids, *[0] * 8]
    assert table[4].tolist()[:5] == [*tokenizer("a semantic photo").input_ids]
    shorter = clip_tokens(config(tokens="clip", sentence_length=8), tmp_path)
    assert shorter[2].tolist() == [*tokenizer("a photo with a sky").input_ids, 0]


def test_training_without_a_vocabulary_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no CLIP tokenizer \(tokenizer.json or vocab.json with merges.txt\)"):
        clip_tokens(oneformer_r50(), tmp_path)
    model = OneFormer(config(tokens="clip"))
    assert model.lacks_sentences
    with pytest.raises(InputError, match="lacks CLIP's vocabulary: give the folder of openai/clip-vit-large-patch14"):
        model.losses(torch.zeros(1, 3, 32, 32), [target_of([], torch.zeros(0, 32, 32))], torch.Generator())
    model.set_sentences(torch.ones(10, 16, dtype=torch.int64))
    assert not model.lacks_sentences
    assert not OneFormer(config(tokens="clip", text=None)).lacks_sentences


def test_tasks_come_at_their_shares_and_for_the_whole_batch() -> None:
    chosen = config(task_shares=(0.2, 0.5, 0.3))
    drawn = draw_tasks(chosen, torch.Generator().manual_seed(0), BatchShare(0, 4000, 4000))
    shares = drawn.bincount(minlength=3) / 4000
    assert torch.allclose(shares, torch.tensor([0.2, 0.5, 0.3]), atol=0.03)
    part = draw_tasks(chosen, torch.Generator().manual_seed(0), BatchShare(7, 5, 4000))
    assert torch.equal(part, drawn[7:12])
    never = draw_tasks(config(task_shares=(0, 1, 0)), torch.Generator().manual_seed(1), BatchShare(0, 500, 500))
    assert never.unique().tolist() == [INSTANCE]


def features(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    query, text = (torch.randn(5, 3, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    return query.requires_grad_(), text.requires_grad_(), torch.tensor(1.3, dtype=torch.float64, requires_grad=True)


def library_contrastive(query: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    criterion = library.OneFormerLoss(2, None, {}, 0.1, 10, 3, 0.75, contrastive_temperature=0.07)
    del criterion.logit_scale
    criterion.logit_scale = scale
    return criterion.loss_contrastive(query, text)["loss_contrastive"]


def test_contrastive_loss_is_the_librarys_for_a_batch_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "float", Tensor.double)
    ours, theirs = features(), features()
    loss, expected = contrastive_loss(*ours, BatchShare(0, 5, 5)), library_contrastive(*theirs)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    loss.backward()
    expected.backward()
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.grad is not None
        assert torch.allclose(mine.grad, other.grad, rtol=1e-10, atol=1e-14)


def test_contrastive_loss_of_one_image_is_zero_and_the_scale_has_a_limit() -> None:
    query, text, _ = features()
    assert contrastive_loss(query[:1], text[:1], torch.tensor(1.0), BatchShare(0, 1, 1)).item() == 0
    whole = BatchShare(0, 5, 5)
    limit, beyond = (contrastive_loss(query, text, torch.tensor(value), whole) for value in (4.6052, 9.0))
    assert beyond.item() == pytest.approx(limit.item(), rel=1e-4)


class Told(Team):
    """Stands for a team whose other members' rows are known."""

    def __new__(cls, *_: object) -> "Told":
        return super().__new__(cls)

    def __init__(self, answers: list[Tensor]) -> None:
        super().__init__(0, 2)
        object.__setattr__(self, "answers", answers)

    def sum_(self, tensor: Tensor) -> Tensor:
        return tensor.copy_(self.answers.pop(0))


def test_contrastive_losses_and_gradients_of_shares_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "float", Tensor.double)
    whole = features()
    expected = contrastive_loss(*whole, BatchShare(0, 5, 5))
    expected.backward()
    query, text, scale = features()
    rows = [torch.nn.functional.normalize(part.detach().flatten(1), dim=1) for part in (query, text)]
    total = 0.0
    for first, count in ((0, 2), (2, 3)):
        share = BatchShare(first, count, 5, Told([row.clone() for row in rows]))
        own = slice(first, first + count)
        loss = contrastive_loss(query[own], text[own], scale, share)
        loss.backward()
        total += loss.item()
    assert total == pytest.approx(expected.item(), rel=1e-12)
    for mine, other in zip((query, text, scale), whole, strict=True):
        assert torch.allclose(mine.grad, other.grad, rtol=1e-10, atol=1e-14)


@pytest.fixture(scope="module")
def alone() -> dict[str, Tensor]:
    return gradients_alone(parts=1)


def largest_difference(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    assert found.keys() == expected.keys()
    return max(float((found[name] - expected[name]).abs().max()) for name in found)


def test_two_processes_equal_one_with_the_whole_batch(tmp_path: Path, alone: dict[str, Tensor]) -> None:
    for process in start_processes(2, run_team, free_ports(1)[0], tmp_path):
        process.join()
        assert process.exitcode == 0
    found = [load_file(tmp_path / f"{rank}.safetensors") for rank in range(2)]
    assert largest_difference(found[0], alone) < 1e-11
    assert largest_difference(found[1], found[0]) == 0
    assert alone["loss.contrastive"].item() > 0


def test_every_parameter_learns(alone: dict[str, Tensor]) -> None:
    model = OneFormer(config())
    silent = [name for name, _ in model.named_parameters() if name not in alone or not bool(alone[name].any())]
    # It moves the points of deformable attention, which at the start do not depend on the query.
    assert silent == ["head.pixel_decoder.level_embed"]


def test_losses_are_the_librarys_at_the_same_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tasks, all layers; the points of both are one list, so that neither's draws matter."""
    from methods.common.segmenters.mask_queries.points import PointSource

    points = torch.rand(400, 2, generator=torch.Generator().manual_seed(1))

    def fixed(*shape: int, **_: object) -> Tensor:
        return points[: shape[-2]].expand(*shape[:-2], shape[-2], 2).clone()

    model, (images, targets) = OneFormer(config(), torch.Generator().manual_seed(3)).eval(), scenes(3)
    task_N = draw_tasks(config(), torch.Generator().manual_seed(5), BatchShare(0, 3, 3))
    monkeypatch.setattr(PointSource, "draw", lambda self, *shape: fixed(*shape, 2))
    found = model.losses(images, targets, torch.Generator().manual_seed(5))
    outputs = model(images, model.commands(task_N), all_layers=True)
    wanted, row_NT = task_targets(targets, task_N, config(), outputs.padded_size)
    masks, classes = (
        [rows[wanted.image_M == image] for image in range(3)] for rows in (wanted.mask_MHW, wanted.class_M)
    )
    matcher = library.OneFormerHungarianMatcher(2.0, 5.0, 5.0, 96)
    criterion = library.OneFormerLoss(len(CLASSES), matcher, {}, 0.1, 96, 3, 0.75, contrastive_temperature=0.07)
    earlier = [
        {"class_queries_logits": logit, "masks_queries_logits": mask}
        for logit, mask in zip(outputs.class_logits[:-1], outputs.mask_logits[:-1], strict=True)
    ]
    monkeypatch.setattr(torch, "rand", fixed)
    text = model.text(model.sentence_SL, row_NT)
    last = (outputs.mask_logits[-1], outputs.class_logits[-1], outputs.query_NQC)
    expected = criterion(*last, masks, classes, text, earlier)
    names = {"class": ("loss_cross_entropy", 2), "mask": ("loss_mask", 5), "dice": ("loss_dice", 5)}
    for ours, (theirs, weight) in names.items():
        assert found[ours].item() == pytest.approx(weight * expected[theirs].item(), rel=1e-4), ours
        rest = sum(expected[f"{theirs}_{layer}"].item() for layer in range(2))
        assert found[f"earlier_{ours}"].item() == pytest.approx(weight * rest, rel=1e-4), ours
    assert found["contrastive"].item() == pytest.approx(0.5 * expected["loss_contrastive"].item(), rel=1e-4)
