#!/usr/bin/env python3
"""Computes in float64 the variational bound of images by guided-diffusion's calc_bpd_loop, for the inputs of
tests/evaluation/bits_per_dim_test.cpp. Prints for each case the sum of all terms, L_0, L_1, L_9 and the prior of two
images, summed.

    python3 -m venv v && v/bin/pip install torch==2.11.0 numpy && v/bin/pip install --no-deps guided-diffusion-sdk==1.0.0
    v/bin/python tests/golden/bits_per_dim.py

Continuous integration does not run it."""

import numpy as np
import torch
from guided_diffusion import gaussian_diffusion as g
from inception import hash_tensor

STEPS, SHAPE = 10, (2, 2, 3, 3)


def case(name, mean_type, var_type, clip):
    diffusion = g.GaussianDiffusion(betas=np.linspace(0.01, 0.3, STEPS), model_mean_type=mean_type,
                                    model_var_type=var_type, loss_type=g.LossType.MSE)
    # Pixels have one of 256 values; the smallest and the largest occur too.
    x0 = ((hash_tensor(1, SHAPE, 1.2).clamp(-0.5, 0.5) + 0.5) * 255).round() / 127.5 - 1

    def model(x, t, **_):
        mean = torch.tanh(x * (1 + t.view(-1, 1, 1, 1) / STEPS))
        return torch.cat([mean, torch.sin(3 * x)], 1) if var_type == g.ModelVarType.LEARNED_RANGE else mean

    times = iter(reversed(range(STEPS)))
    g.th.randn_like = lambda x: hash_tensor(100 + next(times), SHAPE, 4.0)
    result = diffusion.calc_bpd_loop(model, x0, clip_denoised=clip)
    terms = result["vb"].sum(0).flip(-1)  # from t = 0 on
    print(name, ", ".join(f"{v:.9g}" for v in (result["total_bpd"].sum(), terms[0], terms[1], terms[9], result["prior_bpd"].sum())))


def main():
    # guided-diffusion itself rounds values of its tables to float32.
    g._extract_into_tensor = lambda table, t, shape: torch.from_numpy(table)[t].view(-1, 1, 1, 1).expand(shape)
    mean, var = g.ModelMeanType, g.ModelVarType
    case("noise, large, clipped", mean.EPSILON, var.FIXED_LARGE, True)
    case("noise, small", mean.EPSILON, var.FIXED_SMALL, False)
    case("noise, learned", mean.EPSILON, var.LEARNED_RANGE, True)
    case("image, small, clipped", mean.START_X, var.FIXED_SMALL, True)


if __name__ == "__main__":
    main()
