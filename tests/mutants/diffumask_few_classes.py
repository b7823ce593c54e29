"""Mutants of the classes that data sets share: what labels mean, and which data set is trained on and evaluated on."""

from tests.mutants.mutant import Mutant, Place

VALUES = "tests/unit/test_class_sets.py"
EDGES = "tests/unit/test_few_classes_plan_edges.py"

_PLAN = Place("reproductions/diffumask_robust/plan_few_classes.py")
_STUDY = Place("reproductions/diffumask_robust/plan.py")
_PLACES = Place("reproductions/diffumask_robust/places.py")
_COLLECT = Place("reproductions/diffumask_robust/collect.py")
_SET = Place("methods/diffumask_robust/class_set.py")
_IMAGES = Place("methods/diffumask_robust/class_set_images.py")
_EVALUATE = Place("methods/diffumask_robust/stages/evaluate_class_set.py")
_SOURCES = Place("methods/diffumask_robust/stages/sources.py")
_PROMPTS = Place("methods/diffumask_robust/stages/prompts.py")

_ROW = f"{EDGES}::test_a_row_is_trained_on_one_data_set_and_evaluated_on_another"
_LABELS = f"{EDGES}::test_every_network_has_as_many_labels_as_the_classes_and_background"
_FILES = f"{VALUES}::test_files_of_three_layouts_are_read_as_the_same_classes"
_IDS = f"{VALUES}::test_labels_of_a_class_set_by_the_ids_of_each_data_set"

MUTANTS: tuple[Mutant, ...] = (
    _PLAN.mutant(
        "few_classes_swap_the_data_sets",
        "train = self._real(name, how.trained, classes)",
        "train = self._real(name, how.evaluated, classes)",
        "a row is trained on the data set that it is evaluated on",
        _ROW,
    ),
    _PLAN.mutant(
        "few_classes_are_evaluated_where_trained",
        "            return FewClassesCells(train, self._evaluate(arm, train, how.evaluated, classes))",
        "            return FewClassesCells(train, self._evaluate(arm, train, how.trained, classes))",
        "a row of real pictures is evaluated on the data set that it is trained on",
        _ROW,
    ),
    _PLAN.mutant(
        "few_classes_are_evaluated_on_the_training_set",
        '"ade20k": "validation"}',
        '"ade20k": "training"}',
        "ADE20K's rows are evaluated on its training pictures",
        _ROW,
    ),
    _PLAN.mutant(
        "few_classes_of_ade20k_everywhere",
        'return few.on_ade20k if how.evaluated == "ade20k" else few.elsewhere',
        "return few.on_ade20k",
        "VOC and Cityscapes are evaluated on bus instead of motorbike",
        _ROW,
    ),
    _PLAN.mutant(
        "few_classes_ask_for_all_classes",
        'asked.prompts.model_copy(update={"class_names": classes.names})',
        "asked.prompts",
        "DiffuMask's pictures show all classes of VOC",
        _ROW,
    ),
    _PLAN.mutant(
        "few_classes_have_the_other_number_of_prompts",
        'few.num_prompts_on_ade20k if how.evaluated == "ade20k"',
        'few.num_prompts_on_ade20k if how.evaluated != "ade20k"',
        "ADE20K's 6.0k pictures are those of Table 5",
        _ROW,
    ),
    _PLAN.mutant(
        "few_classes_prune_with_networks_of_all_classes",
        'Subject(classes.names, classes.num_labels, f"{name}_diffumask"',
        'Subject(classes.names, None, f"{name}_diffumask"',
        "the cross validation's networks have the labels of VOC",
        _LABELS,
    ),
    _STUDY.mutant(
        "few_classes_read_the_names_of_voc",
        "*([] if own else",
        "*([] if not own else",
        "prompts of these classes open VOC, those of all classes do not",
        _ROW,
    ),
    _PLACES.mutant(
        "few_classes_do_not_ask_for_ade20k",
        'and "ade20k" in data_sets',
        'and "ade20k" not in data_sets',
        "check asks for ADE20K where nothing reads it",
        f"{EDGES}::test_what_a_row_needs_is_asked_for",
    ),
    _SET.mutant(
        "riders_are_background",
        'called=("person", "rider")',
        'called=("person",)',
        "Cityscapes' riders are no persons",
        _IDS,
        _FILES,
    ),
    _SET.mutant(
        "a_class_set_lacks_persons",
        "ClassSet(classes=(_CAR, _PERSON, _MOTORBIKE))",
        "ClassSet(classes=(_CAR, _MOTORBIKE))",
        "Table 5 has two classes",
        _IDS,
        _FILES,
    ),
    _IMAGES.mutant(
        "void_is_background_in_a_class_set",
        "table_L[IGNORED] = IGNORED",
        "table_L[IGNORED] = 0",
        "what a data set does not rate is learned as background",
        _IDS,
        _FILES,
    ),
    _IMAGES.mutant(
        "other_classes_are_void_in_a_class_set",
        "table_L = np.zeros(256, np.uint8)",
        "table_L = np.full(256, IGNORED, np.uint8)",
        "there is no background to learn where all is rated",
        _FILES,
    ),
    _EVALUATE.mutant(
        "the_mean_of_classes_counts_background",
        'MEAN: mean_iou(record["iou"], names)',
        'MEAN: mean_iou(record["iou"], tuple(record["iou"]))',
        "background makes the mean of three classes high",
        f"{VALUES}::test_an_evaluation_scores_the_classes_by_its_own_table_of_pixels",
    ),
    _EVALUATE.mutant(
        "classes_are_evaluated_on_the_training_set",
        "open_class_set(folder, self.split,",
        'open_class_set(folder, "train",',
        "the evaluation looks at training pictures",
        f"{VALUES}::test_an_evaluation_scores_the_classes_by_its_own_table_of_pixels",
    ),
    _SOURCES.mutant(
        "classes_are_trained_on_the_evaluated_set",
        'open_class_set(inputs.folder("data"), self.split, self.classes)',
        'open_class_set(inputs.folder("data"), "train", self.classes)',
        "the split that a source names is not the one that it opens",
        _FILES,
    ),
    _PROMPTS.mutant(
        "own_classes_have_no_background",
        "(_BACKGROUND, *own) if own",
        "own if own",
        "the first class of a set is label 0",
        f"{VALUES}::test_only_the_classes_of_the_set_are_asked_for_and_no_data_is_opened",
    ),
    _COLLECT.mutant(
        "three_classes_are_an_miou_of_all",
        'found["miou_3_classes"] = record[MEAN]',
        'found["miou"] = record[MEAN]',
        "the mean over three classes stands among the means over all",
        f"{VALUES}::test_the_mean_of_three_classes_is_of_networks_that_know_only_these",
    ),
    Place("methods/common/stages/export_predictions.py").mutant(
        "handed_on_under_the_names_of_the_data",
        'return config.open(inputs.folder("data"))',
        'return KeptLabelMapsConfig(split=config.split).open(inputs.folder("data"))',
        "label maps of a class set are exported with the names of all classes of the data",
        f"{VALUES}::test_an_evaluation_scores_the_classes_by_its_own_table_of_pixels",
    ),
)
