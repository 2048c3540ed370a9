#!/usr/bin/env python3
"""Computes images of a frozen tiny network by an implementation that shares no code with `ddpm`: diffusers'
UNet in float64, filled as tests/support/fill.h says, and the ancestral step of Ho et al. (equations 6, 7 and
algorithm 2) on five of a thousand timesteps. Prints the numbers in tests/diffusion/generator_test.cpp.

    python3 -m venv v && v/bin/pip install torch==2.11.0 numpy diffusers==0.42.1
    v/bin/python tests/golden/canary.py

Continuous integration does not run it."""

import math

import numpy as np
import torch

import definitions as d

SEED, FIRST, COUNT, SHAPE = 20_000_000_011, 3, 2, (3, 16, 16)
TIMES = [999, 749, 500, 250, 0]  # round(linspace(0, 999, 5)), half to even


def hash_tensor(k, shape, scale, offset=0.0):
    mask = 2**64 - 1
    values = []
    for j in range(math.prod(shape)):
        z = ((k << 32) + j + 0x9E3779B97F4A7C15) & mask
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
        z ^= z >> 31
        values.append(np.float32(offset + scale * ((z >> 40) / 16777216.0 - 0.5)))
    return torch.from_numpy(np.array(values, np.float32).astype(np.float64).reshape(shape))


def main():
    net = d.network(8, 4, 3, 16)
    for k, (name, p) in enumerate(sorted(net.named_parameters())):
        if p.dim() >= 2:
            p.data.copy_(hash_tensor(k, p.shape, math.sqrt(12 / (p.numel() / p.shape[0]))))
        else:
            p.data.copy_(hash_tensor(k, p.shape, 0.2, 1.0 if name.endswith("weight") else 0.0))
    bars = d.alpha_bars()
    draw = lambda stream, step: torch.stack(
        [d.normals(SEED, stream, step, FIRST + i, SHAPE) for i in range(COUNT)])
    for what, x in (("given noise", hash_tensor(1000001, (COUNT, *SHAPE), 3.0)),
                    ("drawn noise", draw(d.INITIAL_NOISE, 0))):
        for t, s in zip(TIMES, TIMES[1:] + [None]):
            bar_t, bar_s = bars[t], 1.0 if s is None else bars[s]
            beta = 1 - bar_t / bar_s
            with torch.no_grad():
                e = net(x, torch.tensor([t] * COUNT)).sample
            x0 = ((x - math.sqrt(1 - bar_t) * e) / math.sqrt(bar_t)).clamp(-1, 1)
            x = (math.sqrt(bar_s) * beta * x0 + math.sqrt(1 - beta) * (1 - bar_s) * x) / (1 - bar_t)
            if s is not None:
                x = x + math.sqrt(beta * (1 - bar_s) / (1 - bar_t)) * draw(d.STEP_NOISE, t)
        flat = x.flatten()
        print(what, ", ".join(f"{v:.6f}" for v in (x.mean(), x.abs().mean(), *flat[[0, 100, 800, 1535]])))


if __name__ == "__main__":
    main()
