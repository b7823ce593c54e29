"""Mutants of attention capture and of the five presets of heat maps."""

from tests.mutants.mutant import Mutant, Place

MAPS = "tests/unit/test_attention_heat_maps.py"
WORDS = "tests/unit/test_attention_words.py"
CAPTURE = "tests/unit/test_attention_capture.py"

_CAPTURE = Place("methods/common/generators/attention_capture.py")
_MAPS = Place("methods/common/generators/attention_heat_maps.py")
_PRESETS = Place("methods/common/generators/attention_presets.py")
_WORDS = Place("methods/common/generators/attention_words.py")

MUTANTS: tuple[Mutant, ...] = (
    _CAPTURE.mutant(
        "attention_other_half_is_the_same",
        "return value_BQC[: self.num_images]",
        "return value_BQC[-self.num_images :]",
        "what OVAM released reads the conditional half",
        f"{MAPS}::test_attn2mask_as_released_reads_the_other_half_and_the_last_piece",
    ),
    _CAPTURE.mutant(
        "attention_padding_counts",
        "keys = places = slice(reading.num_tokens[images.start])",
        "keys = places = slice(None)",
        "the softmax over a word runs over its padding",
        f"{MAPS}::test_ovam_adds_everything_up_over_a_text_of_the_word",
    ),
    _CAPTURE.mutant(
        "attention_places_of_the_first_picture",
        "positions = list(reading.positions[images.start])",
        "positions = list(reading.positions[0])",
        "every picture of a batch is read at the words of the first",
        f"{MAPS}::test_a_picture_of_a_batch_has_the_maps_that_it_has_alone",
    ),
    _CAPTURE.mutant(
        "attention_keys_through_hooks",
        "self.attention.to_k.forward(text_NTC)",
        "self.attention.to_k(text_NTC)",
        "two captures beside each other take each other's keys",
        f"{MAPS}::test_captures_beside_each_other_do_not_disturb",
    ),
    _CAPTURE.mutant(
        "attention_scores_of_everything",
        "if reading is None or not reading.scores:",
        "if reading is None:",
        "presets pool scores where they say probabilities",
        f"{MAPS}::test_attn2mask_reads_the_middle_evaluation_alone",
    ),
    _CAPTURE.mutant(
        "attention_all_blocks",
        "return self._block in self.capture.reading.blocks and self.side is not None",
        "return self.side is not None",
        "DAAM, OVAM and Attn2mask read the middle block too",
        f"{MAPS}::test_attn2mask_reads_the_middle_evaluation_alone",
    ),
    _CAPTURE.mutant(
        "attention_workspace_unbounded",
        "queries = min(fitting, num_queries)",
        "queries = num_queries",
        "probabilities of a whole head are in memory at once",
        f"{CAPTURE}::test_parts_fit_into_the_limit_and_cover_a_layer_once",
    ),
    _MAPS.mutant(
        "daam_cuts_nothing",
        ".clamp(min=0)",
        "",
        "DAAM keeps the negatives of the bicubic resize",
        f"{MAPS}::test_daam_cuts_what_a_sharp_map_overshoots",
    ),
    _MAPS.mutant(
        "diffumask_without_own_maximum",
        "torch.stack([_by_maximum(map_PHW) for map_PHW in fine]).mean(0)",
        "_by_maximum(torch.stack(fine).mean(0))",
        "DiffuMask's resolutions are averaged before they are scaled",
        f"{MAPS}::test_diffumask_scales_each_piece_and_resolution_by_its_own_maximum",
    ),
    _MAPS.mutant(
        "attention_layers_by_resolution",
        "factor = capture.num_layers(side) * (",
        "factor = (",
        "a resolution of one layer weighs as much as one of five",
        f"{MAPS}::test_attn2mask_reads_the_middle_evaluation_alone",
    ),
    _MAPS.mutant(
        "attention_first_piece",
        'slice(last - 1 if preset.pieces == "last" else first, last)',
        'slice(first, first + 1 if preset.pieces == "last" else last)',
        "the first piece of a word counts where the last one should",
        f"{MAPS}::test_attn2mask_as_released_reads_the_other_half_and_the_last_piece",
    ),
    Place("methods/common/generators/attention_masks.py").mutant(
        "maps_without_numbers_pass",
        "constant_M = ~(range_M > CONSTANT_RANGE * torch.maximum(low_M.abs(), high_M.abs()))",
        "constant_M = range_M <= CONSTANT_RANGE * torch.maximum(low_M.abs(), high_M.abs())",
        "a map with a value that is no number is used",
        f"{MAPS}::test_a_constant_map_or_one_without_numbers_is_zero_and_named",
    ),
    _MAPS.mutant(
        "resolutions_of_the_first_picture",
        "for prompt in self._prompts for word in prompt.words]",
        "for prompt in self._prompts[:1] for word in prompt.words]",
        "a later picture lacks the resolution of its class",
        f"{MAPS}::test_a_later_picture_may_need_a_resolution_that_the_first_does_not",
    ),
    _MAPS.mutant(
        "third_words_are_read_too_early",
        "sum(len(name.positions) for name in named[:word])",
        "sum(len(name.positions) for name in named[: min(word, 1)])",
        "the third word of a prompt is read at the second one's pieces",
        f"{MAPS}::test_each_of_three_words_is_read_at_its_own_pieces",
    ),
    _WORDS.mutant(
        "a_piece_of_potted_plants_is_missing",
        '("pot", "ted", "plant")',
        '("pot", "plant")',
        "DiffuMask's list lacks a piece of a class",
        f"{WORDS}::test_diffumask_lists_every_piece_of_a_split_class",
    ),
    _PRESETS.mutant(
        "attention_step_after_the_middle",
        "num_steps // 2 if",
        "num_steps // 2 + 1 if",
        "Attn2mask reads the evaluation after number 50",
        f"{MAPS}::test_attn2mask_reads_the_middle_evaluation_alone",
    ),
    _WORDS.mutant(
        "attention_words_without_start",
        "return [1 + place for place in found]",
        "return list(found)",
        "the start token is not counted",
        f"{WORDS}::test_a_split_word_is_all_of_its_pieces_and_later_words_move_on",
    ),
    _WORDS.mutant(
        "attention_end_token_is_a_word",
        "if position < limit - 1)",
        "if position < limit)",
        "a word that is cut off is read at the end token",
        f"{WORDS}::test_a_long_prompt_keeps_words_before_the_limit_and_refuses_those_behind",
    ),
)
