"""The original Segment Anything release beside transformers' network with the same weights: equal masks."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import nn

from methods.common.errors import InputError
from methods.common.segment_anything.sam_official import build_official, config_of, load_official

SIDE, PATCH, HEADS = 128, 16, 2


@pytest.fixture(scope="module")
def official() -> Any:
    """The release's own classes, small and with random weights; windows do not divide the grid, as in the real ones."""
    torch.manual_seed(0)
    spots = SIDE // PATCH
    encoder = ImageEncoderViT(
        depth=3,
        embed_dim=32,
        img_size=SIDE,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        num_heads=HEADS,
        patch_size=PATCH,
        use_rel_pos=True,
        global_attn_indexes=(2,),
        window_size=3,
        out_chans=256,
    )
    prompts = PromptEncoder(256, (spots, spots), (SIDE, SIDE), 16)
    transformer = TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8)
    sam = Sam(encoder, prompts, MaskDecoder(transformer_dim=256, transformer=transformer)).eval()
    for parameter in sam.parameters():  # positions and biases start at zero and would hide a wrong name
        nn.init.normal_(parameter, std=0.05)
    return sam


def test_same_masks_from_points_and_boxes(official: Any) -> None:
    model = build_official(official.state_dict(), HEADS)
    rng = np.random.default_rng(1)
    image_HW3 = rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)
    predictor = SamPredictor(official)
    predictor.set_image(image_HW3)
    pixels_1CHW = official.preprocess(torch.from_numpy(image_HW3).permute(2, 0, 1)[None].float())
    embedding = model.get_image_embeddings(pixels_1CHW)
    torch.testing.assert_close(embedding, predictor.get_image_embedding(), rtol=1e-4, atol=1e-5)

    points = torch.tensor([[[20.0, 30.0], [100.0, 60.0]]])
    theirs = predictor.predict_torch(points, torch.tensor([[1, 0]]), multimask_output=True, return_logits=True)
    ours = model(
        image_embeddings=embedding,
        input_points=points[None],
        input_labels=torch.tensor([[[1, 0]]]),
        multimask_output=True,
    )
    torch.testing.assert_close(ours.pred_masks[0], theirs[2], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.iou_scores[0], theirs[1], rtol=1e-4, atol=1e-5)

    boxes = torch.tensor([[10.0, 12.0, 70.0, 80.0], [40.0, 5.0, 120.0, 90.0]])
    theirs = predictor.predict_torch(None, None, boxes, multimask_output=False, return_logits=True)
    ours = model(image_embeddings=embedding, input_boxes=boxes[None], multimask_output=False)
    torch.testing.assert_close(ours.pred_masks[0], theirs[2], rtol=1e-4, atol=1e-4)


def test_sizes_of_the_released_networks() -> None:
    """What the release's builders say of ViT-H is read off its tensors."""
    shapes = {
        "image_encoder.pos_embed": (1, 64, 64, 1280),
        "image_encoder.patch_embed.proj.weight": (1280, 3, 16, 16),
        "image_encoder.neck.0.weight": (256, 1280, 1, 1),
        "image_encoder.blocks.0.mlp.lin1.weight": (5120, 1280),
        **{
            f"image_encoder.blocks.{layer}.attn.rel_pos_h": (127 if layer in (7, 15, 23, 31) else 27, 80)
            for layer in range(32)
        },
    }
    vision = config_of({name: torch.empty(shape, device="meta") for name, shape in shapes.items()}).vision_config
    assert (vision.num_hidden_layers, vision.num_attention_heads, vision.window_size) == (32, 16, 14)
    assert (vision.image_size, vision.global_attn_indexes, vision.mlp_dim) == (1024, [7, 15, 23, 31], 5120)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "sam_vit_h.pth"
    torch.save({"weight": torch.zeros(2)}, path)
    with pytest.raises(InputError, match=r"sam_vit_h\.pth holds no weights of the Segment Anything release"):
        load_official(path)
    path.write_bytes(b"not weights")
    with pytest.raises(InputError, match="or the like again"):
        load_official(path)
