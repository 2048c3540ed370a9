"""Functions that several comparisons of this folder use."""

import subprocess

import torch

GOOGLE = dict(norm_eps=1e-6, downsample_padding=0, flip_sin_to_cos=False, freq_shift=1, attention_head_dim=None)


def error(got, expected):
    return ((got - expected).abs().max() / expected.abs().max()).item()


def run(program, *arguments):
    result = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, arguments))}: exit code {result.returncode}\n{result.stderr}")
    return result.stdout.split()


def randomize(net, seed):
    """Changes the norms at random: PyTorch initialises them with 1 and 0, which would hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    for name, p in net.named_parameters():
        if p.dim() == 1 and "norm" in name:
            p.data += 0.3 * torch.randn(p.shape, generator=generator)


def published(size, mult, attention, channels=3):
    """The config of google/ddpm-*, Ho et al.'s networks, but with fewer channels."""
    levels = len(mult)
    down = ["AttnDownBlock2D" if i in attention else "DownBlock2D" for i in range(levels)]
    up = ["AttnUpBlock2D" if levels - 1 - i in attention else "UpBlock2D" for i in range(levels)]
    return dict(sample_size=size, in_channels=channels, out_channels=channels, layers_per_block=2,
                block_out_channels=[32 * m for m in mult], down_block_types=down, up_block_types=up, **GOOGLE)
