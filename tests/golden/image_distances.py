#!/usr/bin/env python3
"""The numbers in tests/evaluation/distances_test.cpp, by pytorch-fid 0.3.0, torch-fidelity 0.4.0 and prdc 0.2.

    python3 -m venv v && v/bin/pip install torch==2.11.0 pytorch-fid==0.3.0 torch-fidelity==0.4.0 prdc==0.2
    v/bin/python tests/golden/image_distances.py

Continuous integration does not run it."""

import numpy as np
import torch
from prdc import compute_prdc
from pytorch_fid.fid_score import calculate_frechet_distance
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

i, j = np.arange(60)[:, None], np.arange(3)[None, :]
real = np.sin(0.7 * (i + 1) * (j + 1) + j)
generated = 0.95 * real + 0.1 * np.cos(3 * (i + 1) + j)
logits = 2 * np.sin(0.7 * i + 1.1 * np.arange(5)[None, :])


def statistics(x):
    return np.mean(x, axis=0), np.cov(x, rowvar=False)


def show(name, value):
    print(f"{name:44} {value:.10g}")


show("FID", calculate_frechet_distance(*statistics(real), *statistics(generated)))
# Four images of three dimensions as columns of seven: the covariance is singular.
wide = lambda x: np.hstack([x[:4], x[10:14], x[20:24, :1]])
show("FID, 4 images of 7 dimensions", calculate_frechet_distance(*statistics(wide(real)), *statistics(wide(generated))))
# Scales from 1 to 1e-6: the condition number is 1e12.
scales = np.array([1, 1e-3, 1e-6])
show("FID, ill-conditioned", calculate_frechet_distance(*statistics(real * scales), *statistics(generated * scales)))
kid = kid_features_to_metric(torch.tensor(real), torch.tensor(generated), kid_subsets=1, kid_subset_size=60, verbose=False)
show("KID", kid["kernel_inception_distance_mean"])
for splits in (1, 4):
    score = isc_features_to_metric(torch.tensor(logits), splits=splits, shuffle=False)
    show(f"IS, {splits} parts", score["inception_score_mean"])
    show(f"IS, {splits} parts, deviation", score["inception_score_std"])
prc = prc_features_to_metric(torch.tensor(generated), torch.tensor(real), verbose=False)
show("precision", prc["precision"])
show("recall", prc["recall"])
for name, x in (("", generated), (", moved by 0.3", generated + 0.3)):
    for k in (3, 5):
        for key, value in compute_prdc(real_features=real, fake_features=x, nearest_k=k).items():
            show(f"{key}, k = {k}{name}", value)
