#!/usr/bin/env python3
"""Computes in float64 what tests/nn/inception_test.cpp expects: features and logits by pytorch-fid's network, filled as
tests/support/fill.h says. Batch norms change nothing but the bias, as the network here has none.

    python3 -m venv v && v/bin/pip install torch==2.11.0 torchvision==0.26.0 pytorch-fid==0.3.0
    v/bin/python tests/golden/inception.py

Continuous integration does not run it."""

import math

import numpy as np
import torch
from pytorch_fid import inception as fid


def hash_tensor(k, shape, scale):
    z = (np.uint64(k) << np.uint64(32)) + np.arange(math.prod(shape), dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    values = scale * ((z >> np.uint64(40)).astype(np.float64) / 16777216 - 0.5)
    return torch.from_numpy(values.astype(np.float32).astype(np.float64).reshape(shape))


def network():
    fid.load_state_dict_from_url = lambda *_, **__: {}  # no download
    torch.nn.Module.load_state_dict = lambda *_, **__: None
    return fid.fid_inception_v3().double().eval()


def fill(net):
    """Parameters as the network here names them: the bias of a convolution is that of its batch norm."""
    parameters = {}
    for name, module in net.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.fill_(1)
            module.running_mean.fill_(0)
            module.running_var.fill_(1 - module.eps)
            base = name.removesuffix(".bn")
            parameters[base + ".bias"] = module.bias
        elif isinstance(module, torch.nn.Conv2d):
            parameters[name.removesuffix(".conv") + ".weight"] = module.weight
    parameters["fc.weight"] = net.fc.weight
    net.fc.bias.data.fill_(0)
    for k, name in enumerate(sorted(parameters)):
        p = parameters[name]
        scale = math.sqrt(12 / (p.numel() / p.shape[0])) if p.dim() >= 2 else 0.2
        p.data.copy_(hash_tensor(k, p.shape, scale))


def show(name, x):
    x = x.flatten()
    print(name, ", ".join(f"{v:.10g}" for v in (x.mean(), x.abs().mean(), x[0], x[-1])))


def main():
    net = network()
    fill(net)
    kept = {}
    net.avgpool.register_forward_hook(lambda *a: kept.update(features=a[2].flatten(1)))
    with torch.no_grad():
        logits = net(hash_tensor(1000, (2, 3, 299, 299), 2.0))
    show("features", kept["features"])
    show("logits", logits)


if __name__ == "__main__":
    main()
