#!/usr/bin/env python3
"""Runs diffusers' schedulers from a picture with noise, as its image-to-image pipelines do. Prints picture_starts.json,
which tests/diffusion/picture_starts_test.cpp compares with the tables of this program.

    v/bin/python tests/golden/picture_starts.py > tests/golden/picture_starts.json

With the environment of sampler_runs.py, whose made-up predictions and noise it uses, and what that script says of
diffusers' float32. The picture is 0.3 and its noise 0.7; the first `skip` steps are left out. A case has the last image,
the sum of what the network would see, and the sum of the times that it would be told.

Continuous integration does not run it."""

import itertools
import json
import math

import torch

from sampler_runs import KINDS, NOISE, PLAIN, scheduler_of

RUNS = ((4, 1), (10, 4), (20, 8), (37, 11))  # steps, and how many of them are left out


def pixel(value):
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)


def run(case, steps, skip):
    scheduler = scheduler_of(case)
    scheduler.set_timesteps(steps)
    first = skip * scheduler.order
    times = scheduler.timesteps[first:]
    scheduler.set_begin_index(first)
    y = scheduler.add_noise(pixel(0.3), pixel(0.7), times[:1])
    seen = 0.0
    for k, t in enumerate(times):
        NOISE.k = k
        seen += scheduler.scale_model_input(y, t).item()
        y = scheduler.step(pixel(math.cos(1.3 * k + 0.4)), t, y).prev_sample
    return y.item(), seen, times.double().sum().item()


def cases():
    for sampler, prediction, spacing in itertools.product(KINDS, ("epsilon", "v_prediction"), ("leading", "trailing")):
        # PNDMScheduler has no begin index; LMSDiscreteScheduler begins with the weights of several steps, although it
        # remembers only one.
        if sampler in ("plms", "lms"):
            continue
        for sigmas in ("schedule",) if sampler == "euler-a" else ("schedule", "karras"):
            yield PLAIN | dict(sampler=sampler, spacing=spacing, prediction=prediction, sigmas=sigmas)


def main():
    lines = []
    for case in cases():
        told = {key: value for key, value in case.items() if PLAIN.get(key) != value}
        told["runs"] = [dict(steps=steps, skip=skip, values=[float(f"{v:.13g}") for v in run(case, steps, skip)])
                        for steps, skip in RUNS]
        lines.append(json.dumps(told, separators=(",", ":")))
    print("[\n" + ",\n".join(lines) + "\n]")


if __name__ == "__main__":
    main()
