"""Writes tests/io/old_diffusers, a network in a training checkpoint as an old version of diffusers wrote it: the
layers of attention are named query, key, value and proj_attn and have [C,C,1,1] weights, the type is float16, and there
are an averaged and a raw state dict. Prints the prediction that tests/io/export_model_test.cpp expects.

    python tests/golden/old_diffusers.py     # torch 2.11, diffusers 0.42.1
"""

import json
import pathlib

import torch
from diffusers import UNet2DModel

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "io/old_diffusers"
CONFIG = dict(
    sample_size=8, in_channels=1, out_channels=1, layers_per_block=1, block_out_channels=[4, 8],
    down_block_types=["DownBlock2D", "AttnDownBlock2D"], up_block_types=["AttnUpBlock2D", "UpBlock2D"],
    norm_num_groups=2, attention_head_dim=None, downsample_padding=0, flip_sin_to_cos=False, freq_shift=1, norm_eps=1e-6,
)


def old_name(name):
    for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
        name = name.replace(f".{new}.", f".{old}.")
    return name


torch.manual_seed(0)
net = UNet2DModel(**CONFIG).half()
old = {}
for key, value in net.state_dict().items():
    name = old_name(key)
    old[name] = value[:, :, None, None].clone() if name != key and value.dim() == 2 else value
FOLDER.mkdir(exist_ok=True)
zeros = torch.zeros(max(v.numel() for v in old.values())).half()  # one storage for all raw weights
torch.save({"net_model": {k: zeros[: v.numel()].view(v.shape) for k, v in old.items()}, "ema_model": old, "step": 3}, FOLDER / "checkpoint.pt")
(FOLDER / "config.json").write_text(json.dumps({"_class_name": "UNet2DModel", **CONFIG}, indent=1) + "\n")
x = (torch.arange(64.0) / 32 - 1).view(1, 1, 8, 8)
with torch.no_grad():
    y = net.double()(x.double(), torch.tensor([500])).sample.flatten()
print(", ".join(f"{v:.6f}" for v in (y.mean(), y.abs().mean(), y[0], y[-1])))
