"""Mutants of commands that look, and of what they look at before anything runs."""

from tests.mutants.mutant import Mutant, Place

NAMES = "tests/unit/test_request_name.py"
COMMANDS = "tests/e2e/test_command_line.py"

_REQUEST_NAME = Place("reproductions/study/request_name.py")
_STUDY_PAPER = Place("reproductions/study/paper.py")
_STORE = Place("reproductions/harness/store.py")
_CLI = Place("reproductions/cli.py")

MUTANTS: tuple[Mutant, ...] = (
    _REQUEST_NAME.mutant(
        "backbones_share_a_folder",
        "if usual == [study.backbone] else {BACKBONE:",
        "if usual else {BACKBONE:",
        "the report of another backbone is written over that of the tier's own",
        f"{NAMES}::test_another_backbone_is_another_request_by_its_name",
        f"{NAMES}::test_own_data_with_another_backbone_are_another_request",
    ),
    _STUDY_PAPER.mutant(
        "a_backbone_is_only_a_name",
        "if changed(study, {BACKBONE: named}) == study)",
        "if changed(study, {BACKBONE: named}))",
        "numbers of one network are reported under the name of another",
        f"{NAMES}::test_a_backbone_without_a_recipe_is_refused_not_only_written_over_the_numbers_of_another",
    ),
    _STORE.mutant(
        "any_folder_is_a_store",
        'return (self.root / "cells").is_dir()',
        "return self.root.is_dir()",
        "a wrong place looks like a store in which nothing has happened, and a file is left in it",
        f"{COMMANDS}::test_a_store_that_is_not_there_is_no_empty_one",
    ),
    _CLI.mutant(
        "reports_are_tried_at_the_end",
        "    check_reports(paper, request, out)\n    screen = console()",
        "    screen = console()",
        "that a report cannot be written is found after the run",
        f"{COMMANDS}::test_reports_that_cannot_be_written_are_told_before_anything_runs",
    ),
)
