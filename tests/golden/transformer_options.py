#!/usr/bin/env python3
"""Computes outputs of diffusers' UNet2DConditionModel in float64: Stable Diffusion's structure, and options that few networks
use. The network is filled as tests/support/fill.h says; images, times and contexts are those of tests/nn/unet_test.cpp.
Prints the mean, the mean absolute value, the first and the last element, the number of tensors and of parameters.

Runs as unet_options.py does, and like it not in continuous integration."""

import math

import torch
from canary import hash_tensor
from diffusers import UNet2DConditionModel

DOWN, UP, CROSS_DOWN, CROSS_UP = "DownBlock2D", "UpBlock2D", "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
NETWORKS = {
    "S3": dict(block_out_channels=(32, 64), layers_per_block=1, attention_head_dim=8, cross_attention_dim=32,
               down_block_types=(CROSS_DOWN, DOWN), up_block_types=(UP, CROSS_UP)),
    "no self-attention, other levels up, blocks and depths by level": dict(
        block_out_channels=(32, 64, 96), layers_per_block=(1, 2, 1), attention_head_dim=4, cross_attention_dim=24,
        transformer_layers_per_block=(1, 2, 1), only_cross_attention=(True, False, True),
        down_block_types=(CROSS_DOWN, CROSS_DOWN, DOWN), up_block_types=(CROSS_UP, CROSS_UP, UP)),
}


def main():
    for name, options in NETWORKS.items():
        net = UNet2DConditionModel(sample_size=16, **options).double().eval()
        for k, (key, p) in enumerate(sorted(net.named_parameters())):
            if p.dim() >= 2:
                p.data.copy_(hash_tensor(k, p.shape, math.sqrt(12 / (p.numel() / p.shape[0]))))
            else:
                p.data.copy_(hash_tensor(k, p.shape, 0.2, 1.0 if key.endswith("weight") else 0.0))
        context = hash_tensor(1000001, (2, 7, options["cross_attention_dim"]), 3.0)
        for height in (16, 13):
            x = hash_tensor(1000000, (2, 4, height, 16), 3.0)
            with torch.no_grad():
                y = net(x, torch.tensor([3.0, 40.0]).double(), context).sample
            figures = (y.mean(), y.abs().mean(), y.flatten()[0], y.flatten()[-1])
            parameters = list(net.parameters())
            print(name, f"{height}x16", ", ".join(f"{v:.6f}" for v in figures), len(parameters),
                  sum(p.numel() for p in parameters), sep=": ")


if __name__ == "__main__":
    main()
