"""Mutants of the start from ImageNet weights on own data: which network, which pixels, which rate, which arm."""

from tests.mutants.mutant import Mutant, Place

TESTS = "tests/unit/test_efficientnet_lite.py"

_NETWORK = Place("methods/common/segmenters/backbones/efficientnet_lite.py")
_RECIPE = Place("methods/common/training/recipe.py")
_OWN_PICTURES = Place("reproductions/sam_filter/plan.py")
_OWN_RECIPE = Place("reproductions/sam_filter/recipe.py")
_MRCA_PLACES = Place("reproductions/mrca/places.py")
_CONVOLUTIONAL = Place("methods/common/segmenters/semantic/convolutional.py")
_PRESETS = Place("methods/common/segmenters/centernet2/presets.py")

MUTANTS: tuple[Mutant, ...] = (
    _CONVOLUTIONAL.mutant(
        "levels_keep_their_scale",
        "[norm(level) for norm, level in",
        "[level for norm, level in",
        "trained levels drown what the decoder adds to them",
        f"{TESTS}::test_levels_of_any_scale_are_brought_to_one_before_the_decoder",
    ),
    _OWN_RECIPE.mutant(
        "levels_of_own_data_keep_their_scale",
        "        norm_levels=True,\n",
        "",
        "levels of unlike scales are added up",
        f"{TESTS}::test_levels_of_any_scale_are_brought_to_one_before_the_decoder",
    ),
    _NETWORK.mutant(
        "padding_is_left_and_above",
        "(width // 2, width - width // 2, height // 2, height - height // 2)",
        "(width - width // 2, width // 2, height - height // 2, height // 2)",
        "every map lies a cell off where its weights were trained",
        f"{TESTS}::test_the_odd_cell_of_padding_is_right_and_bottom",
    ),
    _RECIPE.mutant(
        "the_backbone_learns_like_the_rest",
        '"lr_factor": self.backbone_lr_factor}',
        '"lr_factor": 1.0}',
        "trained weights are overwritten at the rate of new ones",
        f"{TESTS}::test_the_backbone_learns_at_its_own_rate",
    ),
    _OWN_PICTURES.mutant(
        "the_arm_on_imagenet_starts_from_scratch",
        '= "backbone" if published else "scratch"',
        '= "scratch"',
        "random weights are called ImageNet's",
        f"{TESTS}::test_own_pictures_have_an_arm_that_starts_from_imagenet",
    ),
    _OWN_RECIPE.mutant(
        "pixels_of_other_networks",
        "        pixel_mean=EFFICIENTNET_LITE0_MEAN,\n        pixel_std=EFFICIENTNET_LITE0_STD,\n",
        "",
        "the weights see pixels they were not trained on",
        f"{TESTS}::test_own_pictures_have_an_arm_that_starts_from_imagenet",
    ),
    _PRESETS.mutant(
        "instances_see_pixels_of_other_networks",
        '"pixel_std": EFFICIENTNET_LITE0_STD,',
        "",
        "the weights see pixels they were not trained on",
        f"{TESTS}::test_own_instances_start_from_imagenet_where_asked",
    ),
    _MRCA_PLACES.mutant(
        "own_instances_ask_for_no_weights",
        "    if starts_from_imagenet(request):\n",
        "    if False:\n",
        "random weights are called ImageNet's",
        f"{TESTS}::test_an_arm_on_imagenet_needs_the_option",
    ),
)
