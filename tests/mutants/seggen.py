"""Mutants of SegGen's colours, captions and data: palettes, decoding, clean-up, whose caption an image gets, which pixels count."""

from tests.mutants.mutant import Mutant, Place

COLOURS = "tests/unit/test_seggen_colour_coding.py"
CAPTIONS = "tests/unit/test_seggen_captions.py"
REPORT = "tests/unit/test_seggen_palette_report.py"
COCO = "tests/unit/test_coco_panoptic.py"

_PALETTES = Place("methods/seggen/palettes.py")
_DATA_SETS = Place("methods/seggen/dataset_palettes.py")
_NEAREST = Place("methods/seggen/nearest_colour.py")
_CODING = Place("methods/seggen/colour_coding.py")
_CLEAN_UP = Place("methods/seggen/clean_up.py")
_INSTANCES = Place("methods/seggen/decoded_instances.py")
_PICTURES = Place("methods/seggen/colour_pictures.py")
_SURVIVAL = Place("methods/seggen/palette_survival.py")
_CAPTIONS = Place("methods/seggen/captions.py")
_STAGE_CAPTIONS = Place("methods/seggen/stages/captions.py")
_READER = Place("methods/common/datasets/coco_panoptic.py")
_VIEW = Place("methods/common/miniature/stuff_drawing.py")

MUTANTS: tuple[Mutant, ...] = (
    _PALETTES.mutant(
        "seggen_axes_swapped",
        "return _STEP * red, _STEP * green, _STEP * blue",
        "return _STEP * green, _STEP * red, _STEP * blue",
        "the paper's lattice is counted along other axes",
        f"{COLOURS}::test_the_paper_s_palette_has_the_colours_that_were_seen",
    ),
    _PALETTES.mutant(
        "seggen_void_is_a_class",
        "colours = _LATTICE[1 : num_classes + 1]",
        "colours = _LATTICE[:num_classes]",
        "the first class has void's colour",
        f"{COLOURS}::test_the_paper_s_palette_has_the_colours_that_were_seen",
    ),
    _PALETTES.mutant(
        "seggen_edge_is_a_class",
        "edge = (WHITE if SEGGEN_EDGE in colours else SEGGEN_EDGE) if with_edge else None",
        "edge = SEGGEN_EDGE if with_edge else None",
        "edges have the colour of a class of ADE20K",
        f"{COLOURS}::test_the_paper_s_palette_has_the_colours_that_were_seen",
    ),
    _PALETTES.mutant(
        "spread_nearest_first",
        "chosen.append(int(apart_N.argmax()))",
        "chosen.append(int(np.where(apart_N > 0, apart_N, np.inf).argmin()))",
        "spread picks the nearest points",
        f"{COLOURS}::test_spread_is_farthest_first_and_keeps_black_and_white",
    ),
    _PALETTES.mutant(
        "random_without_seed",
        'rng = np.random.default_rng(derive_seed("palette", seed))',
        'rng = np.random.default_rng(derive_seed("palette", 0))',
        "all random palettes are one",
        f"{COLOURS}::test_random_palettes_depend_on_their_seed",
    ),
    _DATA_SETS.mutant(
        "skyscraper_stays_road",
        "colour_K3[SKYSCRAPER] = _REPAIRED",
        "colour_K3[ROAD] = colour_K3[SKYSCRAPER]",
        "road and skyscraper keep one colour",
        f"{COLOURS}::test_the_data_sets_own_palettes_are_what_the_page_says_of_them",
    ),
    _NEAREST.mutant(
        "candidates_for_the_first_only",
        "np.partition(most_NE, 1, axis=1)[:, 1:2]",
        "np.partition(most_NE, 0, axis=1)[:, :1]",
        "the second-nearest colour is looked for among those that may be nearest",
        f"{COLOURS}::test_the_table_finds_what_comparing_all_colours_finds",
        f"{COLOURS}::test_a_table_stays_right_as_it_fills",
    ),
    _NEAREST.mutant(
        "table_red_and_blue_swapped",
        "blue_N, green_N, red_N = some_N3.T",
        "red_N, green_N, blue_N = some_N3.T",
        "cells of the table stand in each other's places",
        f"{COLOURS}::test_a_table_stays_right_as_it_fills",
    ),
    _CODING.mutant(
        "void_drawn_as_class",
        "np.full((256, 4), (*palette.void, 0), np.uint8)",
        "np.full((256, 4), (*palette.colours_K3[0], 0), np.uint8)",
        "void is drawn in the first class's colour",
        f"{COLOURS}::test_what_is_drawn_is_read_back_and_void_stays_void",
    ),
    _CODING.mutant(
        "classes_beyond_the_palette",
        ".max() > palette.num_classes:",
        ".max() > palette.num_classes + 1:",
        "a class beyond the palette is drawn as void",
        f"{COLOURS}::test_what_cannot_be_drawn_or_read_is_one_sentence",
    ),
    _CODING.mutant(
        "edges_keep_their_labels",
        "label_HW[:] = from_nearest(label_HW, edge_HW)",
        "pass",
        "pixels of edges are void",
        f"{COLOURS}::test_edges_change_nothing_beyond_themselves",
    ),
    _CODING.mutant(
        "edges_on_one_side",
        "if width_px % 2 == 0:",
        "if width_px % 2 == 1:",
        "lines of two pixels are drawn on one side only",
        f"{COLOURS}::test_widths_of_edges_by_hand",
    ),
    _CODING.mutant(
        "far_pixels_kept",
        "label_HW[found.nearest_HW > max_distance] = IGNORED",
        "label_HW[found.nearest_HW < max_distance] = IGNORED",
        "pixels near a colour are left out and far ones kept",
        f"{COLOURS}::test_pixels_far_from_every_colour_are_left_out_where_that_is_asked_for",
    ),
    _CODING.mutant(
        "distance_to_the_second",
        "return _distances(self._image_HW3, self._entry_E3[self._first_HW])",
        "return _distances(self._image_HW3, self._entry_E3[self._second_HW])",
        "the confidence is the distance to the second-nearest colour",
        f"{COLOURS}::test_the_table_finds_what_comparing_all_colours_finds",
    ),
    _CLEAN_UP.mutant(
        "clean_up_by_side",
        "_SMALLEST_PX * height * width / _AT_SIDE_PX**2",
        "_SMALLEST_PX * height / _AT_SIDE_PX",
        "the least area grows with the side",
        f"{COLOURS}::test_the_smallest_region_follows_the_area",
    ),
    _CLEAN_UP.mutant(
        "clean_up_to_the_minority",
        "np.lexsort((labels, -counts, voters))",
        "np.lexsort((labels, counts, voters))",
        "a small region goes to the label with least of its border",
        f"{COLOURS}::test_small_regions_go_to_the_label_along_most_of_their_border",
    ),
    _CLEAN_UP.mutant(
        "clean_up_asks_small_ones",
        "votes_P = ~settled_R[first_P] & settled_R[second_P]",
        "votes_P = ~settled_R[first_P]",
        "small regions exchange their labels",
        f"{COLOURS}::test_small_regions_among_small_ones_wait_for_them",
        f"{COLOURS}::test_clean_up_leaves_large_regions_and_no_small_one_beside_them",
    ),
    _CLEAN_UP.mutant(
        "void_cleaned",
        "(area_R >= min_px) | (label_R == IGNORED)",
        "area_R >= min_px",
        "small void becomes a class",
        f"{COLOURS}::test_void_is_never_cleaned_into_a_class",
    ),
    _INSTANCES.mutant(
        "edges_not_cut",
        "np.where(decoded.edge_HW, np.uint8(IGNORED - 1), decoded.label_HW)",
        "decoded.label_HW",
        "touching instances are one",
        f"{COLOURS}::test_touching_instances_are_parted_by_their_edge",
    ),
    _PICTURES.mutant(
        "jpeg_read",
        "off_HW = decoded.nearest_HW > 0",
        "off_HW = decoded.nearest_HW > 60",
        "colours that JPEG changed are read as labels",
        f"{COLOURS}::test_a_mask_saved_as_jpeg_is_refused_under_any_name",
    ),
    _SURVIVAL.mutant(
        "survival_by_result",
        "np.bincount(label_HW[chosen], minlength",
        "np.bincount(decoded.label_HW[chosen], minlength",
        "wrong pixels count for the class that they become",
        f"{REPORT}::test_pixels_that_become_another_class_are_counted_by_class",
    ),
    _SURVIVAL.mutant(
        "overflow_spoils_the_vae",
        "copy.deepcopy(vae)",
        "vae",
        "trying half precision rounds the weights that are used afterwards",
        f"{REPORT}::test_what_overflows_is_found_and_said",
    ),
    _CAPTIONS.mutant(
        "largest_id_of_people",
        'sorted(document["annotations"], key=lambda record: int(record["id"]))',
        'sorted(document["annotations"], key=lambda record: -int(record["id"]))',
        "of captions by people the last one counts",
        f"{CAPTIONS}::test_of_the_captions_by_people_the_one_with_the_smallest_id_counts",
    ),
    _CAPTIONS.mutant(
        "empty_captions_pass",
        'if not by_name.get(name, "").strip()]',
        "if name not in by_name]",
        "an empty caption passes",
        f"{CAPTIONS}::test_a_file_of_captions_that_does_not_fit_is_one_sentence",
    ),
    _STAGE_CAPTIONS.mutant(
        "captions_by_position",
        '"caption": captioner(shown[index]),',
        '"caption": captioner(index),',
        "shuffled captions stay with their images",
        f"{CAPTIONS}::test_shuffled_captions_are_those_of_others_each_once",
    ),
    _STAGE_CAPTIONS.mutant(
        "caption_without_its_own",
        "if not config.shuffled or num_images == 1:",
        "if num_images == 1:",
        "every run has shuffled captions",
        f"{CAPTIONS}::test_own_captions_are_those_of_the_world_in_the_order_of_the_split",
    ),
    _STAGE_CAPTIONS.mutant(
        "captioner_by_name_only",
        "digest.update(path.read_bytes())",
        "pass",
        "two revisions of a captioner have one name",
        f"{CAPTIONS}::test_blip2_looks_at_the_image_and_says_which_network_it_is",
    ),
    _READER.mutant(
        "classes_in_the_file_s_order",
        "by_id = sorted(range(len(truth.categories)), key=lambda index: truth.categories[index].id)",
        "by_id = list(range(len(truth.categories)))",
        "classes are in the file's order, not that of their ids",
        f"{COCO}::test_classes_are_in_the_order_of_ids_and_ids_have_three_bytes",
    ),
    _READER.mutant(
        "unlisted_segments_pass",
        "if drawn - listed:",
        "if False:",
        "a segment that is drawn and not listed passes",
        f"{COCO}::test_what_is_wrong_is_one_sentence",
    ),
    _VIEW.mutant(
        "unlabelled_things_have_a_class",
        "1 + len(BACKGROUNDS) + instance.category if is_thing else 0",
        "1 + len(BACKGROUNDS) + instance.category",
        "things without a class are labelled beyond the classes",
        f"{COCO}::test_the_scenes_are_those_of_the_view_as_ade20k",
    ),
)
