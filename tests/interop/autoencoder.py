#!/usr/bin/env python3
"""Compares `ddpm encode` and `ddpm decode` with diffusers' AutoencoderKL on random weights, in float32 on the CPU, for
networks of several shapes and in both layouts of files. Prints the largest differences relative to the largest value.

    tests/interop/autoencoder.py build/release/ddpm

tests/interop/parity.sh prepares a Python environment for it. Continuous integration does not run it."""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from safetensors.torch import load_file, save_file

CONFIGS = [  # widths, blocks, groups, size of the picture (width, height), tiled
    ((32, 64), 1, 32, (24, 16), False),
    ((32, 32, 64), 2, 16, (40, 72), False),
    ((64, 32), 1, 8, (64, 36), True),
    ((128, 256, 512, 512), 2, 32, (64, 48), False),
]


def compvis_names(model):
    """Names of CompVis's first_stage_model, written from its Encoder and Decoder."""
    levels = len(model.config.block_out_channels)
    result = {}
    for name, tensor in model.state_dict().items():
        parts = name.split(".")
        if parts[1] == "down_blocks":
            kind = f"block.{parts[4]}" if parts[3] == "resnets" else "downsample"
            parts[1:5] = [f"down.{parts[2]}.{kind}"]
        elif parts[1] == "up_blocks":
            kind = f"block.{parts[4]}" if parts[3] == "resnets" else "upsample"
            parts[1:5] = [f"up.{levels - 1 - int(parts[2])}.{kind}"]
        elif parts[1] == "mid_block" and parts[2] == "resnets":
            parts[1:4] = [f"mid.block_{int(parts[3]) + 1}"]
        elif parts[1] == "mid_block":
            parts[1:4] = ["mid.attn_1"]
            rename = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out": "proj_out"}
            parts = [rename.get(p, p) for p in parts if p != "0"]
            if parts[-1] == "weight" and parts[-2] != "norm":
                tensor = tensor[:, :, None, None]
        parts = [{"conv_shortcut": "nin_shortcut", "conv_norm_out": "norm_out"}.get(p, p) for p in parts]
        result["first_stage_model." + ".".join(parts)] = tensor.contiguous()
    return result


def difference(a, b):
    return float((a - b).abs().max() / b.abs().max())


def main():
    program, worst = sys.argv[1], 0
    for seed, (widths, blocks, groups, size, tiled) in enumerate(CONFIGS):
        torch.manual_seed(seed)
        model = AutoencoderKL(block_out_channels=widths, layers_per_block=blocks, norm_num_groups=groups, sample_size=32,
                              down_block_types=["DownEncoderBlock2D"] * len(widths),
                              up_block_types=["UpDecoderBlock2D"] * len(widths)).eval()
        for p in model.parameters():
            p.data += 0.02 * torch.randn_like(p)
        if tiled:
            model.enable_tiling()
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            model.save_pretrained(folder / "folder")
            save_file(compvis_names(model), folder / "model.safetensors")
            pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
            Image.fromarray(pixels).save(folder / "picture.png")
            x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
            with torch.no_grad():
                mean = model.encode(x).latent_dist.mean
                image = model.decode(mean).sample
            # A single file does not say its groups and sizes of tiles.
            for vae in ["folder", "model.safetensors"][: 2 if groups == 32 else 1]:
                arguments = ["--vae", folder / vae, "--device", "cpu", "--overwrite", *(["--tiled"] if tiled else [])]
                subprocess.run([program, "encode", folder / "picture.png", "--output", folder / "z.safetensors", *arguments],
                               check=True, capture_output=True)
                save_file({"latents": mean}, folder / "in.safetensors", {"scale": str(model.config.scaling_factor)})
                subprocess.run([program, "decode", folder / "in.safetensors", "--output", folder / "x.safetensors", *arguments],
                               check=True, capture_output=True)
                errors = (difference(load_file(folder / "z.safetensors")["latents"], mean),
                          difference(load_file(folder / "x.safetensors")["images"], image))
                print(f"{widths} x {blocks}{' tiled' if tiled else ''}, {vae}: encode {errors[0]:.1e}, decode {errors[1]:.1e}")
                worst = max(worst, *errors)
    print(f"largest difference: {worst:.1e}")
    return 0 if worst <= 2e-5 else 1


if __name__ == "__main__":
    sys.exit(main())
