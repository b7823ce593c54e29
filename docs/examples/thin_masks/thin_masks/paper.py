"""What is run and asked: two arms, two claims, one figure."""

from pathlib import Path

from methods.common.miniature.voc_view import DRAW_VOC, DrawVocConfig
from methods.common.segmenters.semantic.augmentation_config import SemanticAugmentConfig
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.stages.evaluate_semantic import EVALUATE_SEMANTIC, EvaluateSemanticConfig
from methods.common.training.poly_recipe import PolyRecipe
from reproductions import author as segrepro
from reproductions.author import Claim, Gain
from thin_masks.method import TRAIN, ThinSource, TrainConfig

ARMS = (
    segrepro.Arm("exact", "Exact masks", "Trained on masks as they were drawn.", ThinSource(split="train", rim_px=0)),
    segrepro.Arm("thin", "Thin masks", "Trained on masks without their rim.", ThinSource(split="train", rim_px=2)),
)
CLAIMS = (
    Claim("C1", "Exact masks train better segmenters than thin ones.", "ours", (Gain("exact", "thin", ("miou",)),)),
    Claim("C2", "Exact masks also raise pixel accuracy.", "ours", (Gain("exact", "thin", ("pixel_accuracy",)),)),
)


class Study(segrepro.StudyConfig):
    """The world, and the training that both arms share."""

    backbone: str = "convolutional"
    world: DrawVocConfig = DrawVocConfig(num_train=200, num_val=120)
    training: TrainConfig = TrainConfig(
        segmenter=ConvolutionalConfig(num_classes=10),
        recipe=PolyRecipe(iterations=400, batch_size=8, base_lr=5e-3, backbone_lr_factor=1.0),
        augmentation=SemanticAugmentConfig(crop_px=64, max_class_share=1.0, photometric=None),
        source=ThinSource(split="train", rim_px=0),
    )


class Planner(segrepro.SeedPlanner[Study, ThinSource, segrepro.ArmCells]):
    """A training and an evaluation an arm."""

    def draw_world(self) -> segrepro.Cell:
        """Draw the miniature world."""
        return segrepro.Cell(DRAW_VOC, self.study.world, self.seeds, "draw the miniature VOC")

    def plan_arm(self, arm: segrepro.Arm[ThinSource]) -> segrepro.ArmCells:
        """Train on the arm's masks, evaluate on exact ones."""
        config = self.study.training.model_copy(update={"source": arm.how})
        train = self.cell(TRAIN, config, f"{arm.id}/train", outside=("data",), cost_s=12.0)
        test = EvaluateSemanticConfig(short_side_px=64, batch_size=20)
        evaluation = self.cell(EVALUATE_SEMANTIC, test, f"{arm.id}/evaluate", {"model": (train,)}, ("data",))
        return segrepro.ArmCells(evaluation, (train,))


class ThinMasks(segrepro.StudiedPaper[Study, ThinSource, segrepro.ArmCells, segrepro.Report]):
    """The paper, as the command line sees it."""

    id, title, source = "thin_masks", "What is a sloppy outline worth?", "a worked example"
    folder = Path(__file__).parent
    arms, claims = ARMS, CLAIMS
    metrics = (
        segrepro.Metric(id="miou", title="mIoU", unit="mIoU"),
        segrepro.Metric(id="pixel_accuracy", title="Pixel accuracy", unit="%"),
    )
    backbones = {"convolutional": "small convolutional network"}
    planner_type, report_type = Planner, segrepro.Report

    def studies(self, request: segrepro.Request) -> tuple[Study, ...]:
        """Return the study of the tier; smoke only checks that everything runs."""
        mini = Study()
        few = mini.training.model_copy(update={"recipe": PolyRecipe(iterations=2, batch_size=2)})
        smoke = mini.model_copy(update={"world": DrawVocConfig(num_train=8, num_val=4), "training": few})
        return (smoke if request.tier == "smoke" else mini,)

    def figures(self, report: segrepro.Report, folder: Path) -> list[segrepro.Figure | None]:
        """Draw both metrics by arm."""
        from reports.common_figures import accuracy

        return accuracy(report, folder, ("miou", "pixel_accuracy"), "Accuracy")


PAPER = ThinMasks()
