"""Imports point one way, and planning stays light."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
OURS = ("methods", "reproductions", "reports")
HEAVY = (
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "cv2",
    "matplotlib",
    "submitit",
    "pyarrow",
    "pandas",
    "scipy",
)


SEGMENTERS = "methods.common.segmenters."
ROOMS = {
    "backbones": ("checkpoints", "saved"),
    "checkpoints": ("pickled_weights",),
    "pickled_weights": (),
    "saved": ("construction",),
    "image_batches": (),
    "image_cache": (),
    "image_order": (),
    "construction": (),
    "instance": ("saved", "image_batches", "image_cache", "image_order"),
    "semantic": ("saved", "construction", "image_batches", "image_cache", "image_order", "backbones"),
    "centernet2": ("backbones", "checkpoints", "saved", "construction", "instance.interface", "instance.pyramid"),
    "diffusioninst": (
        *("backbones", "checkpoints", "official_weights", "saved", "construction"),
        *("instance.interface", "instance.pyramid"),
    ),
    "official_weights": ("checkpoints",),
    "deeplab": (
        *("backbones", "checkpoints", "official_weights", "saved", "construction"),
        *("semantic.interface", "semantic.pixel_loss"),
    ),
    "hrnet": ("backbones", "saved", "construction", "semantic.interface", "semantic.pixel_loss"),
    "mask_queries": ("backbones.config", "instance.interface"),
    "mask2former": (
        *("backbones", "checkpoints", "official_weights", "saved", "construction", "mask_queries"),
        *("semantic.interface", "semantic.augmentation_config", "instance.interface", "instance.augmentation"),
    ),
    "fastinst": (
        *("backbones", "checkpoints", "official_weights", "saved", "construction", "mask_queries"),
        "instance.interface",
    ),
    "oneformer": (
        *("backbones", "checkpoints", "official_weights", "saved", "construction", "mask_queries"),
        "instance.interface",
    ),
}
"""What each room of the segmenters imports of the others."""
DISPATCHES = {
    "semantic.segmenters": ("mask2former", "deeplab", "hrnet"),
    "instance.segmenters": ("centernet2", "diffusioninst", "fastinst", "mask2former", "oneformer"),
}
"""The one file of a room that knows networks by name, and which."""


def nodes_of(path: Path, *, typing_too: bool) -> Iterator[ast.AST]:
    """Every node of a file, with or without what only type checkers see."""
    left: list[ast.AST] = [ast.parse(path.read_text())]
    while left:
        node = left.pop()
        yield node
        typing_only = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        left += node.orelse if typing_only and not typing_too else ast.iter_child_nodes(node)  # type: ignore[attr-defined]


def imported(path: Path, *, typing_too: bool = True) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function; relative ones resolved."""
    package = path.relative_to(REPOSITORY).with_suffix("").parts[:-1]
    for node in nodes_of(path, typing_too=typing_too):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*start, *([node.module] if node.module else [])))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def forbidden(importer: str, module: str) -> str | None:
    """Say which rule an import breaks, if any. Both are dotted names."""
    of, to = importer.split("."), module.split(".")
    if to[0] == "submitit" and of[:2] != ["reproductions", "harness"]:
        return "only reproductions.harness knows submitit"
    if to[0] not in OURS or of[0] not in OURS:
        return None
    if of[0] == "methods" and to[0] in ("reproductions", "reports"):
        return "methods import neither reproductions nor reports"
    if of[0] == "reports" and to[0] in ("methods", "reproductions"):
        return "reports take plain records and import neither methods nor reproductions"
    if of[:2] == ["methods", "common"] and to[0] == "methods" and to[1:2] not in ([], ["common"]):
        return "methods.common imports no paper"
    if of[0] == to[0] == "methods" and to[1:2] not in ([], ["common"], of[1:2]):
        return "papers never import each other"
    if of[:2] == ["reproductions", "harness"] and module.startswith("methods.") and to[1] != "common":
        return "the harness knows no paper"
    if of[:2] == ["reproductions", "harness"] and to[0] == "reports":
        return "the harness writes no reports"
    if of[:3] == ["methods", "common", "datasets"] and to[:3] == ["methods", "common", "metrics"]:
        return "data sets know no metric"
    return forbidden_between_segmenters(importer, module)


def forbidden_between_segmenters(importer: str, module: str) -> str | None:
    """Say whether a room of the segmenters imports another that it should not know."""
    if not (importer.startswith(SEGMENTERS) and module.startswith(SEGMENTERS)):
        return None
    of, to = importer.removeprefix(SEGMENTERS), module.removeprefix(SEGMENTERS)
    room = of.split(".")[0]
    known = (room, *ROOMS[room], *DISPATCHES.get(of, ()))
    if any(to == place or to.startswith(f"{place}.") for place in known):
        return None
    return f"the segmenters' room {room} knows {', '.join(known)} only"


@pytest.mark.parametrize(
    ("importer", "module", "fine"),
    [
        ("methods.mrca.paste", "methods.common.stage", True),
        ("methods.mrca.paste", "methods.mrca.mapping", True),
        ("methods.mrca.paste", "methods.seggen.masks", False),
        ("methods.common.clip", "methods.mrca.paste", False),
        ("methods.mrca.paste", "reproductions.harness.cell", False),
        ("methods.mrca.paste", "reports.tables", False),
        ("reports.tables", "methods.common.stage", False),
        ("reports.tables", "reproductions.harness.cell", False),
        ("reproductions.mrca.plan", "methods.mrca.stages", True),
        ("reproductions.harness.cell", "methods.mrca.stages", False),
        ("reproductions.harness.launcher", "submitit", True),
        ("reproductions.cli", "submitit.core", False),
        ("reproductions.harness.status", "reports.tables", False),
        ("reproductions.study.reporting", "reports.tables", True),
        ("reports.tables", "matplotlib.pyplot", True),
        ("methods.common.datasets.voc", "methods.common.metrics.label_maps.confusion", False),
        ("methods.common.metrics.label_maps.semantic", "methods.common.datasets.png_labels", True),
        ("methods.common.segmenters.mask2former.model", "methods.common.segmenters.backbones.build", True),
        ("methods.common.segmenters.mask2former.model", "methods.common.segmenters.centernet2.swin", False),
        ("methods.common.segmenters.mask2former.model", "methods.common.segmenters.semantic.interface", True),
        ("methods.common.segmenters.mask2former.model", "methods.common.segmenters.semantic.training", False),
        ("methods.common.segmenters.backbones.weights", "methods.common.segmenters.mask2former.model", False),
        ("methods.common.segmenters.semantic.segmenters", "methods.common.segmenters.mask2former.model", True),
        ("methods.common.segmenters.semantic.starting", "methods.common.segmenters.mask2former.model", False),
        ("methods.common.segmenters.instance.segmenters", "methods.common.segmenters.centernet2.model", True),
        ("methods.common.segmenters.instance.segmenters", "methods.common.segmenters.fastinst.model", True),
        ("methods.common.segmenters.fastinst.losses", "methods.common.segmenters.mask_queries.points", True),
        ("methods.common.segmenters.fastinst.losses", "methods.common.segmenters.mask2former.losses", False),
        ("methods.common.segmenters.instance.prediction", "methods.common.segmenters.centernet2.model", False),
        ("methods.common.stages.evaluate_semantic", "methods.common.segmenters.semantic.prediction", True),
    ],
)
def test_the_rules_themselves(importer: str, module: str, fine: bool) -> None:
    assert (forbidden(importer, module) is None) == fine


def our_files() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    paths = [path for folder in OURS for path in (REPOSITORY / folder).rglob("*.py")]
    assert len(paths) > 20, "the test looks in the wrong place"
    names = (".".join(path.relative_to(REPOSITORY).with_suffix("").parts) for path in paths)
    return {name.removesuffix(".__init__"): path for name, path in zip(names, paths, strict=True)}


def test_imports_point_one_way() -> None:
    broken = set()
    for name, path in our_files().items():
        for module in imported(path):
            rule = forbidden(name, module)
            if rule is not None:
                broken.add(f"{name} imports {module}: {rule}")
    assert not broken, "\n".join(sorted(broken))


def circles_of(graph: Mapping[str, Set[str]]) -> list[list[str]]:
    """A shortest circle through the first module of each strongly connected component, as the modules in its order."""
    reach = {name: reachable(graph, name) for name in graph}
    circles, seen = [], set[str]()
    for name in sorted(graph):
        if name in reach[name] and name not in seen:
            seen |= {other for other in reach[name] if name in reach[other]}
            circles.append(shortest_circle(graph, name))
    return circles


def reachable(graph: Mapping[str, Set[str]], start: str) -> set[str]:
    """Every module that one imports, directly or not."""
    found, left = set[str](), [start]
    while left:
        new = graph[left.pop()] - found
        found |= new
        left += new
    return found


def shortest_circle(graph: Mapping[str, Set[str]], start: str) -> list[str]:
    """Walk from a module along imports until it comes again."""
    came_from: dict[str, str] = {}
    level = [start]
    while start not in came_from:
        steps = [(name, other) for name in level for other in sorted(graph[name]) if other not in came_from]
        came_from |= {other: name for name, other in reversed(steps)}
        level = list(dict.fromkeys(other for _, other in steps))
    circle = [start, came_from[start]]
    while circle[-1] != start:
        circle.append(came_from[circle[-1]])
    return circle[::-1]


def test_circles_are_found() -> None:
    graph = {"a": {"b", "c"}, "b": {"d"}, "c": {"a"}, "d": {"b"}, "e": {"a", "e"}, "f": {"a"}}
    assert circles_of(graph) == [["a", "c", "a"], ["b", "d", "b"], ["e", "e"]]


def test_what_only_type_checkers_see_makes_no_circle(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("if TYPE_CHECKING:\n    import a\nelse:\n    import b\ndef f():\n    import c\n")
    found = {typing_too: list(nodes_of(path, typing_too=typing_too)) for typing_too in (True, False)}
    names = {
        key: {node.names[0].name for node in nodes if isinstance(node, ast.Import)} for key, nodes in found.items()
    }
    assert names == {True: {"a", "b", "c"}, False: {"b", "c"}}


def test_no_imports_go_in_a_circle() -> None:
    files = our_files()
    graph = {name: (set(imported(path, typing_too=False)) & files.keys()) - {name} for name, path in files.items()}
    circles = circles_of(graph)
    assert not circles, "\n".join(" -> ".join(circle) for circle in circles)


LIGHT = [
    "methods.common.stage",
    "methods.common.seeds",
    "methods.common.segmenters.centernet2.config",
    "methods.common.segmenters.mask2former.config",
    "methods.common.segmenters.fastinst.presets",
    "methods.common.training.poly_recipe",
    "methods.common.stages.train_semantic",
    "methods.common.stages.train_instances",
    "methods.common.stages.evaluate_semantic",
    "methods.common.stages.evaluate_instances",
    "methods.mrca.stages.train",
    "methods.mrca.stages.evaluate",
    "methods.sam_filter.stages.train",
    "methods.sam_filter.stages.evaluate",
    "methods.sam_filter.stages.classify",
    "reproductions.sam_filter.paper",
    "reproductions.harness.plan",
    "reproductions.harness.launcher",
    "reproductions.harness.progress",
    "reproductions.harness.why",
    "reproductions.study.paper",
    "reproductions.cli",
    "reproductions.requirements.preflight",
    "reproductions.commands.running",
    "reproductions.harness.status",
    "reproductions.harness.slurm.submissions",
    "reproductions.harness.slurm.job",
]


def test_planning_loads_nothing_heavy() -> None:
    code = "import sys, importlib\n" + "".join(
        f"importlib.import_module({name!r})\n"
        f"heavy = {{name for name in {HEAVY!r} if name in sys.modules}}\n"
        f"assert not heavy, f'{name} loads {{heavy}}'\n"
        for name in LIGHT
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
