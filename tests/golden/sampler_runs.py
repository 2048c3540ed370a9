#!/usr/bin/env python3
"""Runs diffusers' schedulers in float64 with made-up predictions and noise. Prints sampler_runs.json, which
tests/diffusion/sampler_runs_test.cpp compares with the tables of this program.

    python3 -m venv v && v/bin/pip install torch==2.11.0 numpy scipy torchsde==0.2.6 diffusers==0.42.1
    v/bin/python tests/golden/sampler_runs.py > tests/golden/sampler_runs.json

Run k of a scheduler begins with x = 0.7; evaluation k is given the prediction cos(1.3 k + 0.4) and the noise
sin(2.1 k + 0.9). A scheduler is linear in these, but where it clips, so a wrong coefficient changes the result. A case
holds for each number of steps: the last image, the sum of what the network would see, and the sum of the times that it
would be told. Keys that a case omits have their values in PLAIN.

DPMSolverSDEScheduler draws its noise from a path of Brownian motion over the noise level. Here the two halves of a
step have noise of their own, and that of the whole step is the path's: their sum, weighted by the roots of their
lengths. The third order of sde-dpmsolver++ has the wrong sign before a 0.5, as the limit of short steps shows; the
script mends it.

diffusers computes levels and times in float32; the script lets its modules take float64 for float32. Left out, because
diffusers cannot do it: predictions of images with KDPM2, DPMSolverSDE and the ancestral ones, other sigmas with Euler ancestral, other spacings with LCM. And because it does something odd: other
spacings than leading, and velocities, with PNDM, which takes wrong strides and averages velocities of different times; one step from linspace with Euler and its relatives, which begin at t = 0; and one step
of DEIS with other sigmas, which does not change the image.

Continuous integration does not run it."""

import inspect
import itertools
import json
import math
import sys
import textwrap

import numpy as np
import torch
import diffusers

STEPS = (1, 2, 3, 4, 10, 15, 37)
PLAIN = dict(sigmas="schedule", clipped=False, zero_terminal_snr=False)
DPM = diffusers.DPMSolverMultistepScheduler
KINDS = {
    "euler": (diffusers.EulerDiscreteScheduler, {}),
    "euler-a": (diffusers.EulerAncestralDiscreteScheduler, {}),
    "heun": (diffusers.HeunDiscreteScheduler, {}),
    "dpm2": (diffusers.KDPM2DiscreteScheduler, {}),
    "dpm2-a": (diffusers.KDPM2AncestralDiscreteScheduler, {}),
    "lms": (diffusers.LMSDiscreteScheduler, {}),
    "plms": (diffusers.PNDMScheduler, dict(skip_prk_steps=True)),
    "deis": (diffusers.DEISMultistepScheduler, {}),
    "dpm++2m": (DPM, {}),
    "dpm++3m": (DPM, dict(solver_order=3)),
    "dpm++2m-sde": (DPM, dict(algorithm_type="sde-dpmsolver++")),
    "dpm++3m-sde": (DPM, dict(algorithm_type="sde-dpmsolver++", solver_order=3)),
    "dpm++sde": (diffusers.DPMSolverSDEScheduler, {}),
    "unipc": (diffusers.UniPCMultistepScheduler, {}),
    "lcm": (diffusers.LCMScheduler, {}),
}


class Instead:
    """A module of which some members are others."""

    def __init__(self, module, **members):
        self.__dict__.update(members, module=module)

    def __getattr__(self, name):
        return getattr(self.module, name)


def noise(k):
    return torch.full((1, 1, 1, 1), math.sin(2.1 * k + 0.9), dtype=torch.float64)


class Noise:
    """Stands for diffusers' randn_tensor; its k is the number of the evaluation."""

    k = 0

    def __call__(self, *_, **__):
        return noise(self.k)


class Path:
    """Stands for diffusers' BrownianTreeNoiseSampler."""

    whole = False

    def __init__(self, *_):
        pass

    def __call__(self, start, end):
        start, end = float(start), float(end)
        if self.whole:
            first, second = abs(self.start - self.middle), abs(self.middle - end)
            result = (first**0.5 * self.noise + second**0.5 * noise(NOISE.k)) / (first + second) ** 0.5
        else:
            result, self.start, self.middle = noise(NOISE.k), start, end
            self.noise = result
        self.whole = not self.whole
        return result


torch.set_default_dtype(torch.float64)  # LCMScheduler multiplies integers by 10.0
NOISE = Noise()
for scheduler_class, _ in KINDS.values():
    module = sys.modules[scheduler_class.__module__]
    module.np = Instead(np, float32=np.float64)
    module.torch = Instead(torch, float32=torch.float64)
    module.randn_tensor = NOISE
    module.BrownianTreeNoiseSampler = Path

third_order = textwrap.dedent(inspect.getsource(DPM.multistep_dpm_solver_third_order_update))
wrong, right = (f"(1.0 - torch.exp(-2.0 * h) - 2.0 * h) / (2.0 * h) ** 2 {sign} 0.5" for sign in "-+")
assert third_order.count(wrong) == 1
exec(third_order.replace(wrong, right), sys.modules[DPM.__module__].__dict__)
DPM.multistep_dpm_solver_third_order_update = sys.modules[DPM.__module__].multistep_dpm_solver_third_order_update


def scheduler_of(case):
    scheduler_class, options = KINDS[case["sampler"]]
    options = options | dict(num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear",
                             prediction_type=case["prediction"], timestep_spacing=case["spacing"])
    if case["sigmas"] != "schedule":
        options[f"use_{case['sigmas']}_sigmas"] = True
    if case["clipped"]:
        options["clip_sample" if case["sampler"] in ("heun", "lcm") else "thresholding"] = True
    if case["zero_terminal_snr"]:
        options["rescale_betas_zero_snr"] = True
    # Only Euler's has arguments for them; the others find them in their config.
    return scheduler_class.from_config(options | {key: case[key] for key in ("sigma_min", "sigma_max") if key in case})


def run(case, steps):
    scheduler = scheduler_of(case)
    scheduler.set_timesteps(steps)
    y = torch.full((1, 1, 1, 1), 0.7, dtype=torch.float64) * scheduler.init_noise_sigma
    seen = 0.0
    for k, t in enumerate(scheduler.timesteps):
        NOISE.k = k
        seen += scheduler.scale_model_input(y, t).item()
        p = torch.full((1, 1, 1, 1), math.cos(1.3 * k + 0.4), dtype=torch.float64)
        y = scheduler.step(p, t, y).prev_sample
    return y.item(), seen, scheduler.timesteps.double().sum().item()


def cases():
    spacings, predictions = ("leading", "linspace", "trailing"), ("epsilon", "v_prediction", "sample")
    for sampler, spacing, prediction, sigmas in itertools.product(
            KINDS, spacings, predictions, ("schedule", "karras", "exponential")):
        if prediction == "sample" and sampler in ("euler-a", "dpm2", "dpm2-a", "dpm++sde"):
            continue
        if sampler == "lcm" and (spacing, sigmas) != ("leading", "schedule"):
            continue
        if sampler == "euler-a" and sigmas != "schedule":
            continue
        if sampler == "plms" and (spacing, prediction, sigmas) != ("leading", "epsilon", "schedule"):
            continue
        yield PLAIN | dict(sampler=sampler, spacing=spacing, prediction=prediction, sigmas=sigmas)
    for sampler, prediction in itertools.product(("heun", "deis", "dpm++2m", "dpm++3m", "dpm++2m-sde", "dpm++3m-sde", "unipc", "lcm"), predictions):
        yield PLAIN | dict(sampler=sampler, spacing="trailing", prediction=prediction, clipped=True)
    for sampler, prediction in itertools.product(KINDS, predictions[1:]):
        parameters = inspect.signature(KINDS[sampler][0].__init__).parameters
        if "rescale_betas_zero_snr" in parameters and (sampler, prediction) != ("euler-a", "sample"):
            yield PLAIN | dict(sampler=sampler, spacing="trailing", prediction=prediction, zero_terminal_snr=True)
    for sampler, sigmas, limits in itertools.product(("euler", "heun", "dpm2", "dpm++3m", "unipc"), ("karras", "exponential"),
                                                     (dict(sigma_min=0.05, sigma_max=20.0), dict(sigma_max=20.0))):
        yield PLAIN | dict(sampler=sampler, spacing="trailing", prediction="v_prediction", sigmas=sigmas) | limits


def steps_of(case):
    is_euler = case["sampler"] in ("euler", "euler-a", "heun", "dpm2", "dpm2-a", "dpm++sde", "lms")
    odd = case["spacing"] == "linspace" if is_euler else case["sampler"] == "deis" and case["sigmas"] != "schedule"
    return STEPS[1:] if odd else STEPS


def main():
    lines = []
    for case in cases():
        told = {key: value for key, value in case.items() if PLAIN.get(key) != value}
        told |= {"steps": steps_of(case),
                 "runs": [[float(f"{v:.13g}") for v in run(case, steps)] for steps in steps_of(case)]}
        lines.append(json.dumps(told, separators=(",", ":")))
    print("[\n" + ",\n".join(lines) + "\n]")


if __name__ == "__main__":
    main()
