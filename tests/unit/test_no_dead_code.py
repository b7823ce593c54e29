"""What only tests call is dead: every name of the product is used by the product, or says here who else calls it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PRODUCT = ("methods", "reproductions", "reports")

CALLED_BY_DECORATOR = {"command", "callback", "metric", "field_validator", "model_validator", "field_serializer"}
"""Decorators that hand a function to typer or pydantic, which call it."""

_REGISTRY = "reproductions.study.registry reads it from the module of a paper"
_STAGES = "a cell names its module, where the harness finds it; for papers from other packages"
_TORCHVISION = "torchvision's block calls what it overrides"
_FEATURES = "for programs that compare features which they keep, as the benchmark does"
_PRESETS = "for papers that plan the common training of instance segmenters"
_PUBLISHED = "for users of published weights, whose outputs parity tests hold ours to"
_ATTENTION = "for papers that train on masks from attention"

_GENERATORS = "for programs with a generator of their own"
_STREET = "for papers on Cityscapes, whose stages train, evaluate and generate on it"

CALLED_FROM_OUTSIDE = {
    "methods.common.segmenters.deeplab.official:load_official": _PUBLISHED,
    "methods.common.segmenters.mask2former.official:load_official_panoptic": _PUBLISHED,
    "methods.diffumask_robust.affinity.official:load_official": _PUBLISHED,
    "methods.common.segmenters.deeplab.presets:deeplabv3_r50": _PRESETS,
    "methods.common.datasets.cityscapes_polygons:read_polygons": "for programs that want outlines; stages take the maps of ids",
    "methods.common.generators.attention_heat_maps:PresetCapture.heat_maps": _ATTENTION,
    "methods.common.generators.attention_heat_maps:PresetCapture.held_bytes": "for programs that size their batches",
    "methods.common.generators.attention_words:prompt_words": _ATTENTION,
    "methods.common.metrics.generated_images.crop_pairs:measure_real_fid": _STREET,
    "methods.common.generators.repainting.configs:low_memory": "for runs whose GPU does not hold SDXL; no arm of the paper is one",
    "methods.common.metrics.generated_images.fid:fid_of_features": _FEATURES,
    "reproductions.harness.slurm.executor:SlurmExecutor._get_job_id_from_submission_command": "by submitit",
    "methods.common.metrics.generated_images.inception:_BlockA._forward": _TORCHVISION,
    "methods.common.metrics.generated_images.inception:_BlockC._forward": _TORCHVISION,
    "methods.common.metrics.generated_images.inception:_BlockE._forward": _TORCHVISION,
    "methods.common.metrics.generated_images.kid:kid_of_features": _FEATURES,
    "methods.common.metrics.generated_images.paired:evaluate_paired": "for programs; no command compares pairs of pictures",
    "methods.common.segmenters.centernet2.official:load_official": _PUBLISHED,
    "methods.common.segmenters.diffusioninst.official:load_official": _PUBLISHED,
    **{
        f"methods.common.segmenters.diffusioninst.presets:{name}": _PRESETS
        for name in ("diffusioninst_r101", "diffusioninst_swinb")
    },
    "methods.common.segmenters.backbones.generative.loading:backbone_of": _GENERATORS,
    "methods.common.segmenters.backbones.generative.presets:stable_diffusion_2": _GENERATORS,
    "methods.common.segmenters.fastinst.official:load_official": _PUBLISHED,
    **{
        f"methods.common.segmenters.fastinst.presets:{name}": _PRESETS
        for name in ("coco_recipe", "fastinst_r101", "fastinst_r50_d1")
    },
    "methods.common.segmenters.mask2former.official:load_official": _PUBLISHED,
    "methods.common.segmenters.oneformer.official:load_official": _PUBLISHED,
    "methods.common.segmenters.pickled_weights:_ArrayUnpickler.find_class": "pickle calls it",
    "methods.common.stage:LocalContext": "for notebooks and tests, which run a stage without the harness",
    "methods.common.stages.evaluate_instances:EVALUATE_INSTANCES": _STAGES,
    "methods.common.stages.train_instances:TRAIN_INSTANCES": _STAGES,
    "methods.common.stages.evaluate_semantic:EVALUATE_SEMANTIC": _STAGES,
    "methods.common.stages.train_semantic:TRAIN_SEMANTIC": _STAGES,
    "methods.seggen.stages.palette_report:PALETTE_REPORT": _STAGES,
    "methods.seggen.colour_pictures:read_colour_picture": "for programs with masks in colours that others drew",
    "methods.seggen.decoded_instances:decoded_segments": "an extension, for papers that sample instances; SegGen never decodes them",
    "methods.common.training.distributed:Team.leave": "processes that outlive their team call it; jobs end with it",
    "reproductions.checkpoints.paper:PAPER": _REGISTRY,
    "reproductions.diffumask_robust.paper:PAPER": _REGISTRY,
    "reproductions.harness.slurm.job:CellJob.checkpoint": "submitit calls it when a job's time is up",
    "reproductions.instance_synthesis.paper:PAPER": _REGISTRY,
    "reproductions.mrca.paper:PAPER": _REGISTRY,
    "reproductions.sam_filter.paper:PAPER": _REGISTRY,
    "reproductions.seggen.paper:PAPER": _REGISTRY,
    "reports:load_results": "for users who compute with the results",
}
"""Names that nothing in the product refers to, and who calls them all the same."""


@dataclass(frozen=True)
class Definition:
    """A function, class, constant, or method (``Class.method``) of a module, and the lines that define it."""

    module: str
    name: str
    node: ast.stmt

    @property
    def decorators(self) -> list[ast.expr]:
        return getattr(self.node, "decorator_list", [])

    @property
    def lines(self) -> range:
        end = self.node.end_lineno or self.node.lineno
        return range(min([self.node.lineno, *(one.lineno for one in self.decorators)]), end + 1)

    def is_called_by_decorator(self) -> bool:
        return any(
            word in CALLED_BY_DECORATOR
            for decorator in self.decorators
            for word in [ast.unparse(decorator).partition("(")[0].rpartition(".")[2]]
        )


def definitions(module: str, tree: ast.Module) -> Iterator[Definition]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield Definition(module, node.name, node)
        if isinstance(node, ast.ClassDef):
            methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
            yield from (Definition(module, f"{node.name}.{method.name}", method) for method in methods)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (Definition(module, one.id, node) for one in targets if isinstance(one, ast.Name))


class Uses:
    """What a set of modules uses: names of a module in itself or by import, methods by their name alone."""

    def __init__(self, trees: dict[str, ast.Module]) -> None:
        self._within: dict[tuple[str, str], set[int]] = {}
        self._attributes: dict[str, set[tuple[str, int]]] = {}
        self._imported: set[tuple[str, str]] = set()
        for module, tree in trees.items():
            for name, line in _names(tree):
                self._within.setdefault((module, name), set()).add(line)
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute):
                    self._attributes.setdefault(node.attr, set()).add((module, node.lineno))
            self._imported.update(_imported(tree))

    def hold(self, definition: Definition) -> bool:
        """True where something outside of its own lines uses it."""
        module, lines = definition.module, definition.lines
        owner, _, last = definition.name.rpartition(".")
        if owner:
            return any(place != module or line not in lines for place, line in self._attributes.get(last, ()))
        return (module, last) in self._imported or any(
            line not in lines for line in self._within.get((module, last), ())
        )


def _names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Names that are read, and texts that may be one: forward references, and names for ``getattr``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id, node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield node.value, node.lineno


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(module, name) of all that is imported by name, or used as an attribute of an imported module."""
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}", alias.name) for alias in node.names)
            modules |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name: alias.name for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (owner := _dotted(node.value)) in modules:
            yield modules[owner], node.attr


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@cache
def product() -> dict[str, ast.Module]:
    return {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
            path.read_text()
        )
        for folder in PRODUCT
        for path in sorted((REPOSITORY / folder).rglob("*.py"))
    }


def dead(trees: dict[str, ast.Module]) -> list[str]:
    """Every name that the modules define and never use, but for what Python or a decorator calls."""
    uses = Uses(trees)
    return [
        f"{definition.module}:{definition.name}"
        for module, tree in trees.items()
        for definition in definitions(module, tree)
        if not definition.name.rpartition(".")[2].startswith("__")
        and not definition.is_called_by_decorator()
        and not uses.hold(definition)
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def f(): pass", ["a:f"]),
        ("def f(): f()", ["a:f"]),
        ("def f(): pass\nx = f()", ["a:x"]),
        ("_X = 1", ["a:_X"]),
        ("def f(): pass\n# in b\nfrom a import f", []),
        ("def f(): pass\n# in b\nimport a\na.f()", []),
        ("def f(): pass\n# in b\nfrom c import f", ["a:f"]),
        ("def f(): pass\n# in b\nx.f()", ["a:f"]),
        ("class C:\n  def m(self): self.m()\n# in b\nfrom a import C", ["a:C.m"]),
        ("class C:\n  def m(self): pass\n  def __len__(self): pass\n# in b\nfrom a import C\nC().m()", []),
        ("@app.command()\ndef f(): pass\n@metric('x')\ndef g(): pass", []),
        ("@cache\ndef f(): pass", ["a:f"]),
        ("class C: pass\ndef f(c: 'C'): pass\n# in b\nfrom a import f", []),
    ],
)
def test_the_finder_itself(code: str, expected: list[str]) -> None:
    one, _, other = code.partition("# in b\n")
    assert [name for name in dead({"a": ast.parse(one), "b": ast.parse(other)}) if name.startswith("a:")] == expected


def test_everything_is_used() -> None:
    trees = product()
    assert len(trees) > 100, "the test looks in the wrong place"
    found = set(dead(trees))
    unused = sorted(found - CALLED_FROM_OUTSIDE.keys())
    assert not unused, "only tests use, if anything does (remove it, or say above who calls it):\n" + "\n".join(unused)
    stale = sorted(CALLED_FROM_OUTSIDE.keys() - found)
    assert not stale, "is used, or gone; take it off the list:\n" + "\n".join(stale)
