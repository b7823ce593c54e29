"""What the GPUs of a paper-scale run must hold: estimates of ours, made without a GPU.

How, where a row says nothing else: parameters, and what autograd keeps for one image, were counted on torch's meta device with hooks on saved tensors;
heads and proposals (512 boxes an image) were added by hand; a fifth was added for workspaces and gaps, 1 GiB for
CUDA. Fused attention keeps no attention matrices, so those were left out for the denoiser, whose attention is fused.

==================================  =========================================================================================
part                                parameters; kept for one image
==================================  =========================================================================================
CenterNet2 R50, 640 px              77.7 M of 20 bytes; 0.16 GiB backbone in float16, 0.07 first stage, 0.5 heads
CenterNet2 Swin-L, 896 px           249.2 M of 20 bytes; 4.3 GiB backbone in float16 to 6.3 in float32, 0.14, 0.5
Mask2Former R50, 512 px crops       MMSegmentation's README: 3,385 MB for 2 images on an A100; 44 M parameters of 16 bytes,
                                    1 GiB for CUDA, and the rest shared by the images
Mask2Former Swin-B, 512 px crops    107 M parameters of 16 bytes; the backbone's 1.3 GiB in float32 are CenterNet2's Swin-L by width and
                                    area; the rest as for R50
SD3 medium, 512 px, guided          15 GiB of bfloat16 and the float32 segmenter; 1.1 GiB denoiser, 2.8 GiB VAE decoder,
                                    0.3 segmenter
SD 1.5, 512 px                      3 GiB of float16; little: no gradient, the VAE decoder's largest maps
SD 2.1 base, guided, with capture   2.5 GiB of float16, 1 GiB for CUDA; an image's probabilities at 64 cells a side, 5 heads
                                    in float32, are 0.3 GiB at a time, its running sums 0.08 GiB, and the decoder's maps 1 GiB
SAM ViT-H, 1024 px                  2.5 GiB of float32, 1 GiB for CUDA; 2.5 GiB for attention without a gradient
DeepLabV3+ R101-D, two, 512 px      45.6 M of 12 bytes each, SGD having one moment; 0.86 GiB in float32 for an image and network
FastInst R50, 360 x 720 px crops    34.1 M of 16 bytes; 0.68 GiB in float32, counted on the CPU with twelve objects
DiffusionInst R50, same crops       112.3 M of 16 bytes; 1.11 GiB in float32, counted on the CPU with twelve objects and 300 boxes
OneFormer ConvNeXt-L, same crops    237.4 M of 16 bytes; 0.9 GiB backbone in float16 (1.83 in float32), 2.0 decoders and losses in float32, counted
                                    on the CPU with fourteen segments
OneFormer Swin-L, same crops        236.3 M of 16 bytes; 1.4 GiB backbone in float16, that of CenterNet2's by area; 2.0 decoders and losses
SDXL, 1024 px, blended              by hand: 4.8 GiB of float16 for 2.6 G parameters of the U-Net, 1.5 for its text encoders, 0.3 for the
                                    VAE in float32; its decoder's largest maps are 0.5 GiB each at 1024 px
SD 2 inpainting, 512 px             as SD 2.1 without capture
SDXL U-Net, training, 768 px        2,567.5 M of 20 bytes, 3 GiB of frozen text encoders and VAE; 18.0 GiB in float32 for an image, half of it
                                    in bfloat16
SDXL ControlNet, training, 768 px   1,251.0 M of 16 bytes, the U-Net's 4 bytes each and 3 GiB beside; 17.0 GiB in float32 for an image and both
                                    networks, half of it in bfloat16
SDXL with ControlNet, 768 px        7.1 GiB of bfloat16 for both networks, 1.5 for text encoders, 0.3 for the VAE in float32, whose decoder's
                                    largest maps are 0.3 GiB each
Mask2Former Swin-L, 640 px crops    216 M of 16 bytes; 1.6 GiB backbone in float16, that of CenterNet2's by area; 0.9 the rest, as R50's
Mask2Former, 1024 px, panoptic      those of the semantic networks by area
HRNet-W48, 512 px crops             66.0 M of 12 bytes, SGD having one moment; 1.15 GiB in float32 for an image, counted on the CPU at 256 px, and
                                    0.5 for the loss on 150 classes at full size
GLIGEN inpainting, 512 px           as SD 1.5, with gated layers of 0.21 GiB
==================================  =========================================================================================

20 bytes: weight, gradient, two moments of AdamW and the moving average, each in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

from reproductions.requirements.need import GpuNeed


@dataclass(frozen=True)
class GpuEstimate:
    """Memory that one part takes."""

    fixed_gib: float
    """For weights and CUDA."""
    image_gib: float
    """For each image; it grows with the area."""
    side_px: int
    """Of the images for which that holds."""

    def training(self, segmenter: str, side_px: int, batch_size: int) -> GpuNeed:
        """Return what training takes."""
        remark = "on one GPU the batch has to go through in {parts} parts of up to {images}"
        what = f"training {segmenter}"
        return GpuNeed("train", what, self.fixed_gib, self._image_gib(side_px), batch_size, remark)

    def generation(self, what: str, side_px: int, batch_size: int, setting: str) -> GpuNeed:
        """Return what generation takes; ``setting`` is the dotted name of the batch size."""
        remark = f"make fewer at once, --set {setting}={{images}}"
        return GpuNeed("generate", what, self.fixed_gib, self._image_gib(side_px), batch_size, remark)

    def one_by_one(self, what: str) -> GpuNeed:
        """Return what it takes to cut or segment, which is done one image at a time."""
        remark = "one image goes through at a time, so a GPU of this size is needed"
        return GpuNeed("cut", what, self.fixed_gib, self.image_gib, 1, remark)

    def _image_gib(self, side_px: int) -> float:
        return self.image_gib * (side_px / self.side_px) ** 2


CENTERNET2_R50 = GpuEstimate(2.7, 0.9, 640)
CENTERNET2_SWIN_L = GpuEstimate(6.7, 7.2, 896)
MASK2FORMER_R50 = GpuEstimate(1.7, 0.75, 512)
MASK2FORMER_SWIN_B = GpuEstimate(2.6, 2.0, 512)
STABLE_DIFFUSION_3_GUIDED = GpuEstimate(17.0, 5.1, 512)
STABLE_DIFFUSION_15 = GpuEstimate(4.0, 1.0, 512)
STABLE_DIFFUSION_21_CAPTURE = GpuEstimate(3.5, 1.4, 512)
SAM_VIT_H = GpuEstimate(3.5, 2.5, 1024)
DEEPLABV3PLUS_R101D_PAIR = GpuEstimate(2.4, 2.1, 512)
FASTINST_R50 = GpuEstimate(1.6, 0.8, 360)
DIFFUSIONINST_R50 = GpuEstimate(3.0, 1.3, 360)
ONEFORMER_CONVNEXT_L = GpuEstimate(5.2, 3.5, 360)
ONEFORMER_SWIN_L = GpuEstimate(5.2, 4.1, 360)
STABLE_DIFFUSION_XL_BLENDED = GpuEstimate(9.0, 3.0, 1024)
STABLE_DIFFUSION_2_INPAINTING = GpuEstimate(4.0, 1.2, 512)
GLIGEN_INPAINTING = GpuEstimate(4.2, 1.2, 512)
STABLE_DIFFUSION_XL_TRAINING = GpuEstimate(52.0, 10.8, 768)
STABLE_DIFFUSION_XL_CONTROLNET_TRAINING = GpuEstimate(33.0, 10.2, 768)
STABLE_DIFFUSION_XL_CONTROLNET = GpuEstimate(10.0, 1.7, 768)
MASK2FORMER_SWIN_L = GpuEstimate(4.5, 3.0, 640)
HRNET_W48 = GpuEstimate(1.8, 2.0, 512)
