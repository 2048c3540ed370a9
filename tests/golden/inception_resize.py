#!/usr/bin/env python3
"""Enlarges and shrinks images as torch-fidelity 0.4.0, pytorch-fid 0.3.0 and clean-fid 0.1.35 do before Inception; the
numbers of tests/evaluation/features_test.cpp: mean, mean absolute value, first and last value.

    python3 -m venv v && v/bin/pip install torch==2.11.0 torchvision==0.26.0 torch-fidelity==0.4.0 clean-fid==0.1.35
    v/bin/python tests/golden/inception_resize.py

Continuous integration does not run it."""

import numpy as np
import torch
import torch.nn.functional as F
from cleanfid.resize import build_resizer
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x


def image(height, width):
    i = torch.arange(3 * height * width)
    return (i * 2654435761 % 4294967296 // 16777216).to(torch.uint8).view(1, 3, height, width)


def show(name, x):
    x = x.double().flatten()
    print(f"{name:24}", ", ".join(f"{v:.9g}" for v in (x.mean(), x.abs().mean(), x[0], x[-1])))


for size in ((5, 7), (310, 400), (299, 299)):
    pixels = image(*size)
    tensorflow = interpolate_bilinear_2d_like_tensorflow1x(pixels.float(), size=(299, 299), align_corners=False)
    show(f"torch-fidelity {size}", (tensorflow - 128) / 128)
    show(f"pytorch-fid {size}", 2 * F.interpolate(pixels.float() / 255, (299, 299), mode="bilinear", align_corners=False) - 1)
    clean = build_resizer("clean")(pixels[0].permute(1, 2, 0).numpy())
    show(f"clean-fid {size}", (torch.from_numpy(clean.transpose(2, 0, 1)) - 128) / 128)
