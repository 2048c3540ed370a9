"""Prints the number of tensors of CompVis's UNetModel with the arguments of Stable Diffusion 1 and 2, and the SHA-256 of the
lines "name [sizes]", sorted. Needs stable-diffusion-sdkit 2.1.5 and einops."""

import hashlib
import sys
import types

import torch

# The class imports this package only to recognise a type of lists.
sys.modules["omegaconf"] = types.ModuleType("omegaconf")
sys.modules["omegaconf.listconfig"] = types.ModuleType("listconfig")
sys.modules["omegaconf.listconfig"].ListConfig = tuple
from ldm.modules.diffusionmodules.openaimodel import UNetModel  # noqa: E402

COMMON = dict(image_size=32, in_channels=4, out_channels=4, model_channels=320, attention_resolutions=[4, 2, 1], num_res_blocks=2,
              channel_mult=[1, 2, 4, 4], use_spatial_transformer=True, transformer_depth=1, use_checkpoint=True, legacy=False)
for name, arguments in {"v1": dict(num_heads=8, context_dim=768),
                        "v2": dict(num_head_channels=64, use_linear_in_transformer=True, context_dim=1024)}.items():
    with torch.device("meta"):
        tensors = UNetModel(**COMMON, **arguments).state_dict()
    lines = sorted(f"{key} [{','.join(map(str, value.shape))}]\n" for key, value in tensors.items())
    print(name, len(lines), sum(v.numel() for v in tensors.values()), hashlib.sha256("".join(lines).encode()).hexdigest())
