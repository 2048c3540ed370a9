#!/usr/bin/env python3
"""Runs k-diffusion's Euler and Heun with churn in float64, with made-up predictions and noise. Prints churn_runs.json,
which tests/diffusion/sampler_runs_test.cpp compares with the tables of this program.

    python3 -m venv v && v/bin/pip install torch==2.11.0 numpy scipy torchsde==0.2.6
    v/bin/pip install --no-deps k-diffusion==0.1.1.post1
    v/bin/python tests/golden/churn_runs.py > tests/golden/churn_runs.json

A run begins with x = 0.7 and is given predictions and noise as in sampler_runs.py; the noise before a step is that of
the evaluation before it. Noise levels and times are those of spacing trailing, which diffusers and this program agree
on; between timesteps ln(sigma) is linear. The start and the churn before the first step are here one draw: the script
splits 0.7 into both so that they add up to it. A case holds for each number of steps the last image, the sum of what
the network sees and the sum of the times that it is told.

Continuous integration does not run it."""

import importlib.machinery
import importlib.util
import json
import math
import sys
import types

import numpy as np
import torch

T = 1000
STEPS = (1, 2, 3, 10, 37)
CHURN = (dict(churn=5), dict(churn=40, low=0.05, high=50), dict(churn=40, low=0.05, high=50, noise=1.003),
         dict(churn=1000, noise=1.007), dict(churn=3, high=1))
ALPHA_BARS = np.cumprod(1 - np.linspace(1e-4, 0.02, T))
SIGMAS = np.sqrt((1 - ALPHA_BARS) / ALPHA_BARS)


def sampling_of_k_diffusion():
    """k_diffusion.sampling without what else the package imports."""
    folder = importlib.machinery.PathFinder.find_spec("k_diffusion").submodule_search_locations[0]
    package = types.ModuleType("k_diffusion")
    package.__path__ = [folder]
    utils = types.ModuleType("k_diffusion.utils")
    utils.append_dims = lambda x, dims: x[(...,) + (None,) * (dims - x.ndim)]
    ode = types.ModuleType("torchdiffeq")
    ode.odeint = None
    package.utils = utils
    sys.modules |= {"k_diffusion": package, "k_diffusion.utils": utils, "torchdiffeq": ode}
    return importlib.import_module("k_diffusion.sampling")


def pixel(value):
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)


def time_of(sigma):
    return float(np.interp(math.log(sigma), np.log(SIGMAS), np.arange(T)))


class Network:
    """A denoiser with made-up predictions of noise or velocity."""

    def __init__(self, prediction, first_noise):
        self.prediction, self.first_noise, self.k, self.seen, self.times = prediction, first_noise, 0, 0.0, 0.0

    def __call__(self, y, sigma):
        sigma = sigma.item()
        signal = 1 / math.hypot(1, sigma)
        x = y * signal
        self.seen += x.item()
        self.times += time_of(sigma)
        p = math.cos(1.3 * self.k + 0.4)
        self.k += 1
        return (x - sigma * signal * p) / signal if self.prediction == "epsilon" else signal * x - sigma * signal * p

    def noise(self, *_, **__):
        return pixel(math.sin(2.1 * (self.k - 1) + 0.9) if self.k > 0 else self.first_noise)


def run(case, steps, sampling):
    times = [round(T - i * T / steps) - 1 for i in range(steps)]
    sigmas = torch.tensor([SIGMAS[t] for t in times] + [0.0], dtype=torch.float64)
    options = dict(s_churn=case["churn"], s_tmin=case.get("low", 0.0), s_tmax=case.get("high", math.inf),
                   s_noise=case.get("noise", 1.0))
    first = sigmas[0].item()
    raised = first <= options["s_tmax"]
    by = (1 + min(options["s_churn"] / steps, math.sqrt(2) - 1)) if raised else 1
    added = options["s_noise"] * first * math.sqrt(by * by - 1)
    both = math.hypot(first, added)
    network = Network(case["prediction"], 0.7 * added / both)
    sampling.torch.randn_like = network.noise
    y = getattr(sampling, "sample_" + case["sampler"])(network, pixel(0.7 * first / both * first), sigmas, disable=True,
                                                       **options)
    return y.item(), network.seen, network.times


def main():
    sampling = sampling_of_k_diffusion()
    lines = []
    for sampler in ("euler", "heun"):
        for prediction in ("epsilon", "v_prediction"):
            for churn in CHURN:
                case = dict(sampler=sampler, prediction=prediction) | churn
                runs = [[float(f"{v:.13g}") for v in run(case, steps, sampling)] for steps in STEPS]
                lines.append(json.dumps(case | dict(steps=STEPS, runs=runs), separators=(",", ":")))
    print("[\n" + ",\n".join(lines) + "\n]")


if __name__ == "__main__":
    main()
