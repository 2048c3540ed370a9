#!/usr/bin/env python3
"""Computes in float64 the loss, and its gradient, by which guided-diffusion trains a network with learned variance, for
the inputs of tests/diffusion/variational_bound_test.cpp. Prints for each timestep: the mean squared error, the bound in
bits per dimension, and four elements of the gradient of the hybrid loss's batch mean: the first and last of the noise's
channels and the first and last of the variance's channels.

    python3 -m venv v && v/bin/pip install torch==2.11.0 numpy diffusers==0.42.1 && v/bin/pip install --no-deps guided-diffusion-sdk==1.0.0
    v/bin/python tests/golden/hybrid_loss.py

Continuous integration does not run it."""

import torch
from canary import hash_tensor
from guided_diffusion import gaussian_diffusion as g

TIMES = (0, 1, 500, 999)


def main():
    # guided-diffusion itself rounds values of its tables to float32.
    g._extract_into_tensor = lambda table, t, shape: torch.from_numpy(table)[t].view(-1, 1, 1, 1).expand(shape)
    diffusion = g.GaussianDiffusion(
        betas=g.get_named_beta_schedule("linear", 1000), model_mean_type=g.ModelMeanType.EPSILON,
        model_var_type=g.ModelVarType.LEARNED_RANGE, loss_type=g.LossType.RESCALED_MSE)
    shape = (4, 2, 3, 3)
    # Pixels have one of 256 values; the smallest and the largest occur too.
    x0 = ((hash_tensor(1, shape, 1.2).clamp(-0.5, 0.5) + 0.5) * 255).round() / 127.5 - 1
    noise = hash_tensor(2, shape, 4.0)
    output = torch.cat([noise + hash_tensor(3, shape, 0.2), hash_tensor(4, shape, 2.0)], 1).requires_grad_()
    t = torch.tensor(TIMES)
    terms = diffusion.training_losses(lambda x, t: output, x0, t, noise=noise)
    gradient, = torch.autograd.grad(terms["loss"].mean(), output)
    print("gradient norm", gradient.norm().item())
    for i, time in enumerate(TIMES):
        ends = [gradient[i, c, y, y].item() for c, y in ((0, 0), (1, 2), (2, 0), (3, 2))]
        print(time, *(f"{v:.10g}" for v in (terms["mse"][i], terms["vb"][i], *ends)))


if __name__ == "__main__":
    main()
