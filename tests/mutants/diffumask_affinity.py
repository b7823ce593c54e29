"""Mutants of AffinityNet: network, pairs, loss, labels, walk, training and files."""

from tests.mutants.mutant import Mutant, Place

NET = "tests/unit/test_affinity_net.py"
TRAINED = "tests/unit/test_affinity_training.py"

_AFFINITY = "methods/diffumask_robust/affinity/"
_PAIRS = Place(_AFFINITY + "pairs.py")
_LOSS = Place(_AFFINITY + "loss.py")
_LABELS = Place(_AFFINITY + "labels.py")
_WALK = Place(_AFFINITY + "walk.py")
_BLOCKS = Place(_AFFINITY + "blocks.py")
_NETWORK = Place(_AFFINITY + "network.py")
_RECIPE = Place(_AFFINITY + "recipe.py")
_CROPS = Place(_AFFINITY + "crops.py")
_OFFICIAL = Place(_AFFINITY + "official.py")
_MXNET = Place(_AFFINITY + "mxnet_file.py")
_REFINING = Place(_AFFINITY + "refining.py")

MUTANTS: tuple[Mutant, ...] = (
    _PAIRS.mutant(
        "borders_of_pairs_swapped",
        'if border == "as_released":',
        'if border == "as_meant":',
        "the released border gap is where none is meant, and the other way round",
        f"{NET}::test_pairs_as_released_leave_a_gap_at_the_border_and_as_meant_do_not",
    ),
    _PAIRS.mutant(
        "radius_is_included",
        "down**2 + right**2 < radius**2",
        "down**2 + right**2 <= radius**2",
        "pairs as far apart as the radius count",
        f"{NET}::test_pairs_as_meant_are_all_that_are_near",
    ),
    _PAIRS.mutant(
        "summed_differences",
        ".abs().mean(1).flatten(1)",
        ".abs().sum(1).flatten(1)",
        "differences of features are added up over channels",
        f"{NET}::test_the_affinity_of_the_worked_example",
    ),
    _LOSS.mutant(
        "ignored_cells_make_pairs",
        "known = (first != IGNORED) & (second != IGNORED)",
        "known = first != IGNORED",
        "pairs with an ignored cell count",
        f"{NET}::test_pair_labels_and_loss_by_hand",
    ),
    _LOSS.mutant(
        "kinds_of_pairs_weigh_alike",
        "(labels.unequal_NP * apart).sum() / unequal / 2",
        "(labels.unequal_NP * apart).sum() / unequal / 4",
        "unequal pairs weigh a quarter",
        f"{NET}::test_pair_labels_and_loss_by_hand",
    ),
    _LABELS.mutant(
        "readings_of_complement_swapped",
        'if reading == "as_released" else score_NKHW',
        'if reading == "as_meant" else score_NKHW',
        "the least likely class is taken where the most likely is meant",
        f"{NET}::test_labels_where_runs_agree_and_the_complement_as_released",
    ),
    _LABELS.mutant(
        "runs_of_labels_swapped",
        "label = foreground_NKhw.argmax(1)",
        "label = background_NKhw.argmax(1)",
        "foreground is what the run of little background finds",
        f"{NET}::test_labels_where_runs_agree_and_the_complement_as_released",
    ),
    _WALK.mutant(
        "rows_sum_to_one",
        "weights @ sparse.diags_array(1 / np.asarray(weights.sum(0)).ravel())",
        "sparse.diags_array(1 / np.asarray(weights.sum(0)).ravel()) @ weights",
        "rows of the step's matrix are normalised, not columns",
        f"{NET}::test_the_walk_of_the_worked_example",
    ),
    _WALK.mutant(
        "beta_multiplies",
        "affinity_P.astype(np.float64) ** beta",
        "affinity_P.astype(np.float64) * beta",
        "affinities are multiplied by beta",
        f"{NET}::test_the_walk_of_the_worked_example",
    ),
    _WALK.mutant(
        "walks_the_other_way",
        "turned = step_AA.T.tocsr()",
        "turned = step_AA",
        "scores walk against the matrix",
        f"{NET}::test_the_walk_of_the_worked_example",
    ),
    _BLOCKS.mutant(
        "norms_follow_the_batch",
        "return super().train(False)",
        "return super().train(mode)",
        "norms of AffinityNet take the statistics of the batch in training",
        f"{NET}::test_the_miniature_keeps_its_norms_and_pads_to_whole_cells",
    ),
    _NETWORK.mutant(
        "first_stage_is_trained",
        "for names in self._stages[: self.config.frozen_stages]:",
        "for names in self._stages[:0]:",
        "the first stage of the release is trained",
        f"{NET}::test_the_release_freezes_its_first_stage",
    ),
    _RECIPE.mutant(
        "momenta_swapped",
        '{"as_released": 0.0005, "as_meant": 0.9}',
        '{"as_released": 0.9, "as_meant": 0.0005}',
        "the momentum as released is the one that was meant",
        f"{TRAINED}::test_the_momentum_as_released_is_the_weight_decay",
    ),
    _RECIPE.mutant(
        "branches_learn_slowly",
        '"lr_factor": self.new_lr_factor',
        '"lr_factor": 1.0',
        "branches learn as slowly as the trunk",
        f"{TRAINED}::test_branches_learn_ten_times_as_fast_and_the_rate_falls_to_nothing",
    ),
    _CROPS.mutant(
        "labels_are_not_mirrored",
        "image_SS3, label_ss = image_SS3[:, ::-1], label_ss[:, ::-1]",
        "image_SS3 = image_SS3[:, ::-1]",
        "a mirrored crop keeps the labels of the other side",
        f"{TRAINED}::test_a_crop_begins_at_a_cell_and_is_mirrored_with_its_labels",
    ),
    _OFFICIAL.mutant(
        "voc_classifier_passes",
        'if _VOC_CLASSIFIER in weights and start == "imagenet":',
        "if False:",
        "a classifier of real VOC images passes for ImageNet weights",
        f"{NET}::test_the_classifier_of_voc_is_refused_unless_it_is_asked_for",
    ),
    _OFFICIAL.mutant(
        "scale_and_shift_of_norms_swapped",
        '    "gamma": "weight",\n    "beta": "bias",',
        '    "gamma": "bias",\n    "beta": "weight",',
        "scale and shift of ImageNet's norms trade places",
        f"{NET}::test_the_imagenet_file_fills_the_trunk_and_leaves_the_branches",
    ),
    _MXNET.mutant(
        "old_files_have_long_sides",
        'shape = _read_shape(source, magic, "I")',
        'shape = _read_shape(source, magic, "q")',
        "files of MXNet's first version cannot be read",
        f"{NET}::test_the_imagenet_file_fills_the_trunk_and_leaves_the_branches",
    ),
    _REFINING.mutant(
        "background_wins_the_walk",
        "(up[1] > up[0]).numpy()",
        "(up[1] < up[0]).numpy()",
        "the walk's mask is the background",
        f"{TRAINED}::test_the_miniature_learns_what_belongs_together_and_mends_masks",
    ),
)
