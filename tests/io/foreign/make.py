#!/usr/bin/env python3
"""Writes the checkpoints of tests/io/foreign: one small network in the wrappings of many trainers.

    python tests/io/foreign/make.py        # torch 2.11, numpy; writes *.pt.gz beside this file

All weights are 0.01. The bias of the last convolution tells weights apart: 1 in raw weights, 2 in averaged
ones."""

import collections
import dataclasses
import gzip
import io
import pathlib
import random

import numpy
import torch

HERE = pathlib.Path(__file__).resolve().parent
WIDTH, TIME = 32, 128


def network(bias, prefix=""):
    """Ho's network with one level of one block, as the DDIM authors name it in PyTorch."""
    shapes = {}

    def module(name, *weight):
        shapes[name + ".weight"] = weight
        shapes[name + ".bias"] = weight[:1]

    def block(name, channels):
        module(name + ".norm1", channels)
        module(name + ".conv1", WIDTH, channels, 3, 3)
        module(name + ".temb_proj", WIDTH, TIME)
        module(name + ".norm2", WIDTH)
        module(name + ".conv2", WIDTH, WIDTH, 3, 3)
        if channels != WIDTH:
            module(name + ".nin_shortcut", WIDTH, channels, 1, 1)

    module("temb.dense.0", TIME, WIDTH)
    module("temb.dense.1", TIME, TIME)
    module("conv_in", WIDTH, 3, 3, 3)
    block("down.0.block.0", WIDTH)
    block("mid.block_1", WIDTH)
    for part in ["norm", "q", "k", "v", "proj_out"]:
        module("mid.attn_1." + part, *([WIDTH] if part == "norm" else [WIDTH, WIDTH, 1, 1]))
    block("mid.block_2", WIDTH)
    block("up.0.block.0", 2 * WIDTH)
    block("up.0.block.1", 2 * WIDTH)
    module("norm_out", WIDTH)
    module("conv_out", 3, WIDTH, 3, 3)
    tensors = {prefix + name: torch.full(shape, 0.01, dtype=torch.float16) for name, shape in shapes.items()}
    tensors[prefix + "conv_out.bias"] = torch.full([3], float(bias), dtype=torch.float16)
    return tensors


def cosine_betas(steps):
    """Nichol and Dhariwal, "Improved DDPM", equation 17."""
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    bars = torch.cos((t + 0.008) / 1.008 * torch.pi / 2) ** 2
    return (1 - bars[1:] / bars[:-1]).clamp(max=0.999).float()


@dataclasses.dataclass
class Options:
    rate: float = 1e-4

    class Nested:
        pass


def save(name, value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    (HERE / f"{name}.pt.gz").write_bytes(gzip.compress(buffer.getvalue(), mtime=0))


random.seed(0)
numpy.random.seed(0)
RAW, EMA = network(1), network(2)
OPTIMIZER = {"state": {0: {"step": 1, "exp_avg": RAW["conv_in.weight"]}}, "param_groups": [{"lr": 1e-4, "params": [0]}]}

# ermongroup/ddim: model, optimiser, epoch, step, average
save("ddim_list", [network(1, "module."), OPTIMIZER, 1, 2, network(2, "module.")])
save("shadow", {"model": RAW, "ema": {"decay": 0.999, "shadow": EMA}, "epoch": 1})
# torch_ema, score_sde: the average has no names
save("shadow_params", {"optimizer": OPTIMIZER, "model": network(1, "module."),
                       "ema": {"decay": 0.999, "num_updates": 1, "shadow_params": list(EMA.values())}, "step": 1})
save("compiled", {"model": network(1, "module._orig_mod."), "ema": network(2, "_orig_mod.module.")})
save("lightning", {"state_dict": {**network(1, "model."), **network(2, "ema_model.")},
                   "optimizer_states": [OPTIMIZER], "pytorch-lightning_version": "2.0.0"})
# BasicSR
save("params_ema", {"params": RAW, "params_ema": EMA})
# lucidrains/ema-pytorch
save("ema_pytorch", {"step": 1, "ema": {"initted": torch.tensor(True), "step": torch.tensor(5),
                                        **network(1, "online_model.denoise_fn."), **network(2, "ema_model.denoise_fn.")}})
save("legacy_tuple", (RAW, 5), _use_new_zipfile_serialization=False)
# PyTorch's tutorial: nothing tells whether it is an average
save("tutorial", {"epoch": 1, "model_state_dict": RAW, "optimizer_state_dict": OPTIMIZER, "loss": 0.5})
# The tables of a GaussianDiffusion around the network
betas = cosine_betas(40)
save("tables", {"betas": betas, "alphas_cumprod": (1 - betas).cumprod(0), "num_timesteps": torch.tensor(40),
                "posterior_variance": betas, **network(1, "denoise_fn.")})
# What people save beside weights
save("company", {"model": RAW, "loss": numpy.float64(0.5), "history": numpy.zeros(3), "options": Options(),
                 "folder": pathlib.PurePosixPath("a/b"), "last": collections.deque([1, 2], maxlen=2),
                 "random": random.getstate(), "numpy_random": numpy.random.get_state(),
                 "torch_random": torch.zeros(16, dtype=torch.uint8), "short": torch.zeros(2, dtype=torch.int16),
                 "complex": torch.zeros(2, dtype=torch.complex64), "mask": torch.zeros(1).expand(1000, 1000),
                 "epochs": range(3), "rest": ..., "nested": Options.Nested()})
save("odd_keys", {("network", 1): RAW, None: 5})
save("camel_case", {"modelState": RAW, "modelEMA": EMA})
# Averages of another network
save("stranger", {"model": RAW, "ema": {"shadow": {"net": torch.zeros(600, 600, dtype=torch.float16)}}})
# An average of some of the weights
save("part_average", {"model": RAW, "ema": {"conv_in.weight": EMA["conv_in.weight"]}})
save("only_average", {"ema": EMA})
save("optimizer", OPTIMIZER)
