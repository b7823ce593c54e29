"""The classes of diffusers and transformers that the miniature is made of, without their partial annotations.

Their stubs hide inherited methods such as ``to`` and mark constructors untyped; as ``Any`` they are checked by tests.
"""

from typing import Any

import diffusers
import transformers

AutoencoderKL: Any = diffusers.AutoencoderKL
UNet2DConditionModel: Any = diffusers.UNet2DConditionModel
StableDiffusionPipeline: Any = diffusers.StableDiffusionPipeline
DDPMScheduler: Any = diffusers.DDPMScheduler
DPMSolverMultistepScheduler: Any = diffusers.DPMSolverMultistepScheduler
CLIPModel: Any = transformers.CLIPModel
CLIPTextModel: Any = transformers.CLIPTextModel
SamModel: Any = transformers.SamModel
