"""Mutants of prompts, pseudo-masks, the dense CRF, and the adaptation of generators."""

from tests.mutants.mutant import Mutant, Place

MASKS = "tests/unit/test_pseudo_masks.py"
PROMPTS = "tests/unit/test_prompts.py"
LEXICON = "tests/unit/test_lexicon.py"
CRF = "tests/unit/test_dense_crf.py"
IMAGES = "tests/unit/test_adaptation_images.py"
ADAPTATION = "tests/unit/test_adaptation.py"

_ROBUST = "methods/diffumask_robust/"
_MASKS = Place(_ROBUST + "pseudo_masks.py")
_PROMPTS = Place(_ROBUST + "prompts.py")
_ARTICLES = Place(_ROBUST + "articles.py")
_BASE = Place(_ROBUST + "base_prompts.py")
_LEXICON = Place(_ROBUST + "lexicon.py")
_SUBCLASSES = Place(_ROBUST + "subclass_prompts.py")
_SETTINGS = Place(_ROBUST + "crf.py")
_WORDNET = Place("methods/common/wordnet.py")
_LATTICE = Place("methods/common/dense_crf/lattice.py")
_MEAN_FIELD = Place("methods/common/dense_crf/mean_field.py")
_UNARY = Place("methods/common/dense_crf/unary.py")
_IMAGES = Place(_ROBUST + "adaptation/domain_images.py")
_TEXTS = Place(_ROBUST + "adaptation/texts.py")
_ADAPTER = Place(_ROBUST + "adaptation/adapter.py")
_TRAINING = Place(_ROBUST + "adaptation/training.py")

MUTANTS: tuple[Mutant, ...] = (
    _MASKS.mutant(
        "background_without_beta",
        "background_1HW = 1 - class_score.amax(0, keepdim=True) - beta",
        "background_1HW = 1 - class_score.amax(0, keepdim=True)",
        "beta changes nothing",
        f"{MASKS}::test_the_background_channel_is_a_threshold",
    ),
    _MASKS.mutant(
        "places_for_labels",
        "label_HW = np.array([weak, *scores.class_ids], np.uint8)[place_HW]",
        "label_HW = place_HW.copy()",
        "labels are places of scores instead of class ids",
        f"{MASKS}::test_labels_are_class_ids_and_places_are_scores",
    ),
    _MASKS.mutant(
        "last_map_of_a_class",
        "clean_Chw[numbers].amax(0)",
        "clean_Chw[numbers[-1]]",
        "only the last word of a class counts",
        f"{MASKS}::test_two_words_of_a_class_count_by_their_maximum",
    ),
    _MASKS.mutant(
        "nearest_channels",
        'mode="bilinear", align_corners=False',
        'mode="nearest"',
        "channels are not resized bilinearly",
        f"{MASKS}::test_channels_are_resized_bilinearly_between_the_centres_of_cells",
    ),
    _MASKS.mutant(
        "constant_map_is_kept",
        "    if constant:\n",
        "    if False:\n",
        "an image with a map that says nothing stays",
        f"{MASKS}::test_a_map_that_says_nothing_never_wins_and_drops_the_image",
    ),
    _MASKS.mutant(
        "upper_bound_of_streets",
        'if config.weak_pixels == "background" and share',
        "if share",
        "pictures without background are dropped for their foreground",
        f"{MASKS}::test_without_a_background_class_weak_pixels_are_ignored",
    ),
    _PROMPTS.mutant(
        "later_spans_stay",
        "shift = start + len(word) - span.end",
        "shift = 0",
        "spans after a replaced word stay where they were",
        f"{PROMPTS}::test_replacing_a_word_repairs_the_article_and_moves_every_later_span",
    ),
    _PROMPTS.mutant(
        "no_fall_back",
        "dict.fromkeys((drawn, RELATIONS[0]))",
        "dict.fromkeys((drawn,))",
        "an empty relation leaves the prompt's word, whatever it is",
        f"{PROMPTS}::test_a_word_that_does_not_fit_is_not_drawn",
        f"{PROMPTS}::test_an_empty_relation_falls_back_to_the_own_word_and_says_so",
    ),
    _PROMPTS.mutant(
        "every_relation_alike",
        "p=shares / shares.sum()",
        "p=None",
        "shares of relations change nothing",
        f"{PROMPTS}::test_a_relation_that_is_left_out_is_never_drawn",
    ),
    _PROMPTS.mutant(
        "too_long_words_pass",
        "if num_tokens(made.text, tokenizer) <= tokenizer.model_max_length and has_readable_words(made, tokenizer):",
        "if has_readable_words(made, tokenizer):",
        "a word pushes the prompt beyond the text encoder's limit",
        f"{PROMPTS}::test_a_word_that_does_not_fit_is_not_drawn",
    ),
    _PROMPTS.mutant(
        "joined_words_are_drawn",
        "if num_tokens(made.text, tokenizer) <= tokenizer.model_max_length and has_readable_words(made, tokenizer):",
        "if num_tokens(made.text, tokenizer) <= tokenizer.model_max_length:",
        "a word is put where a quote joins its first letter, and no attention can be read at it",
        f"{PROMPTS}::test_no_word_is_put_where_a_quote_joins_it",
    ),
    _PROMPTS.mutant(
        "attention_at_every_place",
        "PromptWord(class_names[class_id], self.text[start:end], ((start, end),))",
        "PromptWord(class_names[class_id], self.text[start:], ((start, end),))",
        "the word whose attention is read is not the span's",
        f"{PROMPTS}::test_the_word_of_attention_is_that_of_the_span",
    ),
    _ARTICLES.mutant(
        "article_by_the_old_word",
        "letter + article[1:] + space",
        "match[0]",
        "the article of the word before stays",
        f"{PROMPTS}::test_replacing_a_word_repairs_the_article_and_moves_every_later_span",
    ),
    _BASE.mutant(
        "captions_too_long_stay",
        "elif num_tokens(text, tokenizer) > tokenizer.model_max_length:",
        "elif False:",
        "captions that the text encoder cuts stay",
        f"{PROMPTS}::test_captions_of_no_use_are_left_out_and_counted",
    ),
    _BASE.mutant(
        "captions_with_joined_words_stay",
        "elif not has_readable_words(prompt, tokenizer):",
        "elif False:",
        "one caption with a word in quotes ends the sampling of all",
        f"{PROMPTS}::test_captions_of_no_use_are_left_out_and_counted",
    ),
    _LEXICON.mutant(
        "shared_words_stay",
        "if len(owners[word.lower()]) == 1",
        "if word",
        "a word of two classes stays",
        f"{LEXICON}::test_a_word_of_another_class_is_nobodys",
    ),
    _LEXICON.mutant(
        "proper_names_stay",
        "if not is_proper_name(word, wordnet))",
        "if word)",
        "proper names are words of a class",
        f"{LEXICON}::test_each_word_has_one_relation_and_proper_names_are_out",
    ),
    _WORDNET.mutant(
        "instances_are_kinds",
        "if kind == _HYPONYM)",
        "if kind.startswith(_HYPONYM))",
        "instances of WordNet count as kinds",
        f"{LEXICON}::test_a_synset_has_its_words_and_its_kinds_without_instances",
    ),
    _SUBCLASSES.mutant(
        "all_subclasses",
        "kinds = subclasses(words)[:max_subclasses]",
        "kinds = subclasses(words)",
        "the number of sub-classes changes nothing",
        f"{PROMPTS}::test_sub_classes_stand_before_the_class_word_which_is_read",
    ),
    _SETTINGS.mutant(
        "seeds_with_default_kernel",
        "BilateralKernel(weight=9, sigma_px=60, sigma_rgb=10)",
        "BilateralKernel()",
        "DiffuMask's seeds have Attn2mask's kernel",
        f"{CRF}::test_settings_of_the_papers",
    ),
    _LATTICE.mutant(
        "weaker_blur",
        "np.repeat(np.array([1, 0.5], np.float32)",
        "np.repeat(np.array([1, 0.25], np.float32)",
        "the Gaussian is narrower than asked for",
        f"{CRF}::test_each_kernel_by_itself_is_near_the_exact_one",
        f"{CRF}::test_the_filter_is_near_the_gaussian_and_its_channels_do_not_meet",
    ),
    _LATTICE.mutant(
        "one_neighbour",
        "np.concatenate((number_M, above, below))",
        "np.concatenate((number_M, above, above))",
        "corners are blurred to one side",
        f"{CRF}::test_each_kernel_by_itself_is_near_the_exact_one",
    ),
    _LATTICE.mutant(
        "scaled_on_one_side",
        "self._spread.data *= factor_N[self._spread.indices]",
        "self._spread.data *= 1",
        "kernels are normalised on one side",
        f"{CRF}::test_scaling_multiplies_the_entry_of_two_points_by_the_factors_of_both",
    ),
    _LATTICE.mutant(
        "channels_without_weights",
        "per_sample_weights=share",
        "per_sample_weights=torch.ones_like(share)",
        "several channels are spread and read without weights",
        f"{CRF}::test_the_filter_is_near_the_gaussian_and_its_channels_do_not_meet",
    ),
    _MEAN_FIELD.mutant(
        "one_kernel_of_two",
        "heard_NL += kernel.filter(first_NL)",
        "heard_NL += 0 * kernel.filter(first_NL)",
        "what looks alike does not count",
        f"{CRF}::test_mean_field_is_that_of_sums_over_all_pairs",
    ),
    _MEAN_FIELD.mutant(
        "the_last_label_counts_once",
        "count_L[:-1] @ message_LN[:-1]) / count_L[-1]",
        "count_L[:-1] @ message_LN[:-1])",
        "a label that stands for several hears too much",
        "tests/unit/test_dense_crf.py::test_labels_that_stand_for_several_are_what_each_of_them_would_be",
    ),
    _MEAN_FIELD.mutant(
        "the_last_label_hears_all",
        "(self._reach_N - count_L[:-1]",
        "(self._reach_N + 0 * count_L[:-1]",
        "the last label hears what the others hear, too",
        f"{CRF}::test_the_last_label_hears_what_it_would_hear_by_itself",
    ),
    _MEAN_FIELD.mutant(
        "no_normalisation",
        "np.float32(weight**0.5) / np.sqrt(mass_N + np.float32(_LEAST_MASS))",
        "np.full_like(mass_N, weight**0.5)",
        "kernels are not normalised",
        f"{CRF}::test_each_kernel_by_itself_is_near_the_exact_one",
    ),
    _MEAN_FIELD.mutant(
        "rows_for_columns",
        "np.stack((column_HW.ravel(), row_HW.ravel()), 1)",
        "np.stack((row_HW.ravel(), row_HW.ravel()), 1)",
        "places are rows alone",
        f"{CRF}::test_mean_field_is_that_of_sums_over_all_pairs",
    ),
    _UNARY.mutant(
        "ignored_is_label_zero",
        "np.where(known_HW, probability_LHW, 1 / num_labels)",
        "probability_LHW",
        "ignored pixels have an opinion",
        f"{CRF}::test_labels_share_what_is_uncertain_and_255_is_no_opinion",
    ),
    _IMAGES.mutant(
        "square_at_the_left",
        "int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))",
        "0, 0",
        "every square is cut at the left",
        f"{IMAGES}::test_a_square_is_as_large_as_the_picture_and_lies_anywhere_along_it",
    ),
    _IMAGES.mutant(
        "tags_of_the_whole_picture",
        "shown_classes(label_HW[area], names, min_share)",
        "shown_classes(label_HW, names, min_share)",
        "tags are those of the picture instead of the square",
        f"{IMAGES}::test_a_square_is_as_large_as_the_picture_and_lies_anywhere_along_it",
    ),
    _TEXTS.mutant(
        "tags_although_fixed",
        'if config.texts == "tags":',
        "if classes:",
        "tags are written where no labels may be used",
        f"{IMAGES}::test_as_many_tags_as_the_text_encoder_reads_the_largest_first",
    ),
    _TEXTS.mutant(
        "stuff_is_not_named",
        "return (*always, *(ids[",
        "return (*(), *(ids[",
        "classes that each prompt must name are left out",
        f"{IMAGES}::test_classes_are_drawn_by_weight_after_those_that_are_always_named",
    ),
    _ADAPTER.mutant(
        "scaled_update",
        "lora_alpha=rank",
        "lora_alpha=2 * rank",
        "updates are scaled",
        f"{ADAPTATION}::test_a_loaded_adapter_denoises_as_the_trained_one_did",
    ),
    _ADAPTER.mutant(
        "any_unet_does",
        "if record is not None and record.unet_sha256 != unet_checksum(generator):",
        "if False:",
        "an adapter goes onto other weights of the same shape",
        f"{ADAPTATION}::test_an_adapter_of_other_weights_of_the_same_shape_is_refused",
    ),
    _ADAPTER.mutant(
        "any_rank_does",
        "        if found != rank:\n",
        "        if False:\n",
        "an adapter of another rank is loaded",
        f"{ADAPTATION}::test_another_rank_is_refused",
    ),
    _TRAINING.mutant(
        "latents_without_scale",
        " * own) * pipeline.vae.config.scaling_factor",
        " * own)",
        "latents are not scaled",
        f"{ADAPTATION}::test_the_loss_is_the_mean_squared_error_of_the_noise",
    ),
    _TRAINING.mutant(
        "steps_overlap",
        "iteration * share.batch_size + row",
        "iteration + row",
        "steps overlap, so that an epoch shows pictures several times",
        f"{ADAPTATION}::test_each_epoch_shows_every_chosen_picture_once",
    ),
)
