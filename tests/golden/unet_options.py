#!/usr/bin/env python3
"""Computes outputs of diffusers' UNet2DModel in float64 with options that few networks use. The network is filled as
tests/support/fill.h says; images and times are those of tests/nn/unet_test.cpp. Prints the mean, the mean absolute
value, the first and the last element, and the number of parameters.

    python3 -m venv v && v/bin/pip install torch==2.11.0 numpy diffusers==0.42.1
    v/bin/python tests/golden/unet_options.py

Continuous integration does not run it."""

import math

import torch
from canary import hash_tensor
from diffusers import UNet2DModel

HO = dict(sample_size=16, block_out_channels=(32, 64, 96), layers_per_block=1, norm_eps=1e-6, attention_head_dim=None,
          downsample_padding=0, flip_sin_to_cos=False, freq_shift=1,
          down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
          up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"))
OPTIONS = {
    "gelu, class table, learned variance": dict(act_fn="gelu", num_class_embeds=10, out_channels=6),
    "mish, scale_shift, class as timestep, own groups in the middle": dict(
        act_fn="mish", resnet_time_scale_shift="scale_shift", class_embed_type="timestep", attn_norm_num_groups=8),
    "relu, learned time, no middle": dict(
        act_fn="relu", time_embedding_type="learned", num_train_timesteps=50, mid_block_type=None),
    "fourier, class as timestep": dict(time_embedding_type="fourier", class_embed_type="timestep"),
}


def main():
    for name, options in OPTIONS.items():
        net = UNet2DModel(**HO, **options).double().eval()
        for k, (key, p) in enumerate(sorted(net.named_parameters())):
            if p.dim() >= 2:
                p.data.copy_(hash_tensor(k, p.shape, math.sqrt(12 / (p.numel() / p.shape[0]))))
            else:
                p.data.copy_(hash_tensor(k, p.shape, 0.2, 1.0 if key.endswith("weight") else 0.0))
        x = hash_tensor(1000000, (2, 3, 16, 16), 3.0)
        conditional = options.get("class_embed_type") or options.get("num_class_embeds")
        t = torch.tensor([3, 40]) if options.get("time_embedding_type") == "learned" else torch.tensor([3.0, 40.0]).double()
        labels = torch.tensor([7, 2]) if conditional else None
        if "fourier" in name:
            labels = labels.double()
        if options.get("class_embed_type") == "timestep":  # its input is float32 otherwise
            net.class_embedding.register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))
        with torch.no_grad():
            y = net(x, t, labels).sample
        figures = (y.mean(), y.abs().mean(), y.flatten()[0], y.flatten()[-1])
        count = sum(p.numel() for p in net.parameters())
        print(name, ", ".join(f"{v:.6f}" for v in figures), count, sep=": ")


if __name__ == "__main__":
    main()
