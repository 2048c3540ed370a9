#!/usr/bin/env python3
"""Computes ten training steps of `ddpm` by an implementation that shares no code with it: diffusers' UNet in float64,
and a second implementation of the rest (definitions.py and below). Prints the numbers in
tests/training/trainer_test.cpp.

    python3 -m venv v && v/bin/pip install torch==2.11.0 numpy diffusers==0.42.1
    v/bin/python tests/golden/loss_sequence.py

Takes a minute. Continuous integration does not run it."""

import math

import torch

import definitions as d

SEED, STEPS, BATCH, RATE, WARMUP = 20_000_000_011, 10, 8, 1e-3, 4
CLIP, EMA, BETA1, BETA2, EPSILON = 1.0, 0.9999, 0.9, 0.999, 1e-8


def in_order_of_registration(names):
    """Sorts names in the order in which the C++ modules register parameters; diffusers has another order."""
    top = ["conv_in", "time_embedding", "down_blocks", "mid_block", "up_blocks", "conv_norm_out", "conv_out"]
    kinds = ["resnets", "attentions", "downsamplers", "upsamplers"]
    layers = ["linear_1", "linear_2", "group_norm", "to_q", "to_k", "to_v", "to_out", "norm1", "conv1",
              "time_emb_proj", "norm2", "conv2", "conv_shortcut", "conv"]

    def place(name):
        rank = [top.index(name.split(".")[0])]
        for part in name.split(".")[1:]:
            for table in (kinds, layers, ["weight", "bias"]):
                if part in table:
                    rank.append(table.index(part))
            if part.isdigit():
                rank.append(int(part))
        return rank

    return sorted(names, key=place)


def initialize(net, method):
    """ho: Xavier uniform, biases 0, the last layer of each block times 1e-5. pytorch: uniform up to 1/sqrt(fan in)."""
    parameters = dict(net.named_parameters())
    limit = 0.0
    for number, name in enumerate(in_order_of_registration(parameters)):
        p = parameters[name]
        if p.dim() >= 2:
            field = p.numel() // (p.shape[0] * p.shape[1])
            fan_in, fan_out = p.shape[1] * field, p.shape[0] * field
            is_last = ".conv2." in name or ".to_out." in name or name.startswith("conv_out.")
            bound = math.sqrt(6 / (fan_in + fan_out)) * (1e-5 if is_last else 1)
            bound = bound if method == "ho" else 1 / math.sqrt(fan_in)
            limit = 0.0 if method == "ho" else 1 / math.sqrt(fan_in)
        elif name.endswith("weight"):
            p.data.fill_(1.0)
            limit = 0.0
            continue
        else:
            bound = limit
        u = torch.from_numpy(d.uniforms(SEED, d.INITIALIZATION, 0, number, p.numel()))
        p.data.copy_((2 * u.reshape(p.shape) - 1) * bound)


def main(method):
    images = d.embedded_images()
    bars = torch.from_numpy(d.alpha_bars())
    net = d.network(32, 8, 1, images.shape[-1])
    initialize(net, method)
    parameters = dict(net.named_parameters())
    m = {k: torch.zeros_like(p) for k, p in parameters.items()}
    v = {k: torch.zeros_like(p) for k, p in parameters.items()}
    average = {k: p.detach().clone() for k, p in parameters.items()}
    losses, norms = [], []
    for step in range(STEPS):
        index = [d.image_index(step * BATCH + i, len(images), SEED) for i in range(BATCH)]
        x0 = torch.from_numpy(images[index].astype("float64")) / 127.5 - 1
        t = torch.tensor([d.below(SEED, d.TIMESTEP, step, i, 1000) for i in range(BATCH)])
        noise = torch.stack([d.normals(SEED, d.NOISE, step, i, x0.shape[1:]) for i in range(BATCH)])
        a = bars[t].reshape(-1, 1, 1, 1)
        loss = (net(a.sqrt() * x0 + (1 - a).sqrt() * noise, t).sample - noise).square().mean()
        net.zero_grad()
        loss.backward()
        norm = math.sqrt(sum(p.grad.square().sum().item() for p in parameters.values()))
        losses.append(loss.item())
        norms.append(norm)
        rate = RATE * min((step + 1) / WARMUP, 1)
        decay = min(EMA, (1 + step) / (10 + step))
        with torch.no_grad():
            for k, p in parameters.items():
                g = p.grad / max(1, norm / CLIP)
                m[k] = BETA1 * m[k] + (1 - BETA1) * g
                v[k] = BETA2 * v[k] + (1 - BETA2) * g * g
                mean, square = m[k] / (1 - BETA1 ** (step + 1)), v[k] / (1 - BETA2 ** (step + 1))
                p -= rate * mean / (square.sqrt() + EPSILON)
                average[k] = decay * average[k] + (1 - decay) * p
    print(method)
    print("  losses  ", ", ".join(f"{x:.7f}" for x in losses))
    print("  norms   ", ", ".join(f"{x:.7f}" for x in norms))
    for name in ("conv_in.weight", "mid_block.attentions.0.to_v.weight", "up_blocks.0.resnets.1.conv1.bias",
                 "conv_norm_out.weight", "conv_out.weight"):
        w = average[name]
        print(f'  {{"{name}", {w.flatten()[0]:.8f}, {w.norm():.8f}}},')


if __name__ == "__main__":
    for method in ("ho", "pytorch"):
        main(method)
