#!/usr/bin/env python3
"""Computes in float64 how one step of diffusers' schedulers depends on the image x, the prediction p and the noise z.
Prints sampler_tables.json, which tests/diffusion/sampler_tables_test.cpp compares with the tables of this program.

    python3 -m venv v && v/bin/pip install torch==2.11.0 numpy diffusers==0.42.1
    v/bin/python tests/golden/sampler_tables.py > tests/golden/sampler_tables.json

A step is an affine function of x, p and z as long as x0 is either never clipped or always clipped to the same value.
So four calls of the real scheduler's step give the constant and the three coefficients of a row: around zero without
clipping or, in a "saturated" case, around a prediction whose x0 is clipped to 1. A case holds the coefficients
{constant, x, p, z} of its first, middle and last row, and the sums of these and of the timesteps over all rows. Keys
that a case omits have their values in PLAIN.

This program differs from diffusers in two conventions, so the script changes them in diffusers. There DDIM goes from t
to t - T // S even if that is not the next time of the grid; no setting changes that, so the script replaces the number
of steps S by an object whose division gives the right stride. And there DDPM adds noise in the last step unless t = 0.

Continuous integration does not run it."""

import itertools
import json

import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.schedulers import scheduling_ddpm
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr

TIMESTEPS = 1000


class Stride:
    """A number of steps: any number of timesteps divided by it gives `stride`."""

    def __init__(self, stride):
        self.stride = stride

    def __rfloordiv__(self, _):
        return self.stride


def scheduler_of(case):
    options = dict(num_train_timesteps=TIMESTEPS, prediction_type=case["prediction"], timestep_spacing=case["spacing"],
                   clip_sample=case["saturated"])
    if case["sampler"] == "ddpm":
        scheduler = DDPMScheduler(variance_type=case["variance"], **options)
    else:
        scheduler = DDIMScheduler(**options)
    betas = torch.linspace(1e-4, 0.02, TIMESTEPS, dtype=torch.float64)
    if case["zero_terminal_snr"]:
        betas = rescale_zero_terminal_snr(betas)
    scheduler.betas, scheduler.alphas = betas, 1 - betas
    scheduler.alphas_cumprod = (1 - betas).cumprod(0)
    scheduler.one = scheduler.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    scheduler.set_timesteps(case["steps"])
    return scheduler


def step(scheduler, case, t, following, x, p, z):
    x, p, z = (torch.full((1, 1, 1, 1), v, dtype=torch.float64) for v in (x, p, z))
    if case["sampler"] == "ddpm":
        scheduling_ddpm.randn_tensor = lambda *_, **__: z if following >= 0 else 0 * z
        return scheduler.step(p, t, x).prev_sample.item()
    scheduler.num_inference_steps = Stride(t - following)
    return scheduler.step(p, t, x, eta=case["eta"], use_clipped_model_output=case["use_clipped_model_output"],
                          variance_noise=z).prev_sample.item()


def row_of(scheduler, case, t, following):
    # A saturated case uses a p so large that x0 stays clipped to 1 if p grows by 1.
    p = 0.0 if not case["saturated"] else 1000.0 if case["prediction"] == "sample" else -1000.0
    f = lambda *at: step(scheduler, case, t, following, *at)
    base = f(0.0, p, 0.0)
    by_x, by_p, by_z = f(1.0, p, 0.0) - base, f(0.0, p + 1, 0.0) - base, f(0.0, p, 1.0) - base
    return [base - p * by_p, by_x, by_p, by_z]


def finish(case):
    scheduler = scheduler_of(case)
    times = scheduler.timesteps.tolist()
    rows = [row_of(scheduler, case, t, s) for t, s in zip(times, times[1:] + [-1])]
    chosen = [0, len(rows) // 2, len(rows) - 1]
    numbers = lambda values: [float(f"{v:.13g}") for v in values]
    return case | {"times": [times[i] for i in chosen], "sum_of_times": sum(times),
                   "rows": [numbers(rows[i]) for i in chosen], "sums": numbers(map(sum, zip(*rows)))}


PLAIN = dict(variance="fixed_small", eta=0.0, use_clipped_model_output=True, saturated=False, zero_terminal_snr=False)


def cases():
    spacings, predictions = ("leading", "linspace", "trailing"), ("epsilon", "v_prediction", "sample")
    kinds = [dict(sampler="ddpm", variance=v) for v in ("fixed_small", "fixed_large")]
    kinds += [dict(sampler="ddim", eta=eta) for eta in (0.0, 0.5, 1.0)]
    for kind, steps, spacing, prediction in itertools.product(kinds, (10, 37, 50, 1000), spacings, predictions):
        yield PLAIN | dict(steps=steps, spacing=spacing, prediction=prediction) | kind
    saturated = [dict(sampler="ddpm")]
    saturated += [dict(sampler="ddim", eta=0.5, use_clipped_model_output=b) for b in (True, False)]
    for kind, steps, prediction in itertools.product(saturated, (10, 37), predictions):
        yield PLAIN | dict(steps=steps, spacing="leading", prediction=prediction, saturated=True) | kind
    for kind, steps, prediction in itertools.product(kinds, (10, 37, 1000), predictions[1:]):
        yield PLAIN | dict(steps=steps, spacing="trailing", prediction=prediction, zero_terminal_snr=True) | kind


def main():
    lines = []
    for case in cases():
        told = {key: value for key, value in finish(case).items() if PLAIN.get(key) != value}
        lines.append(json.dumps(told, separators=(",", ":")))
    print("[\n" + ",\n".join(lines) + "\n]")


if __name__ == "__main__":
    main()
