#!/usr/bin/env python3
"""Writes tests/cli/features.ts, a TorchScript program for `ddpm evaluate --features`: means of the sixteenths of each channel.

    python3 -m venv v && v/bin/pip install torch==2.11.0
    v/bin/python tests/golden/feature_program.py

Continuous integration does not run it."""

import pathlib

import torch


class Means(torch.nn.Module):
    def forward(self, x):
        return torch.nn.functional.adaptive_avg_pool2d(x.float(), 4).flatten(1)


torch.jit.script(Means()).save(str(pathlib.Path(__file__).resolve().parents[1] / "cli/features.ts"))
