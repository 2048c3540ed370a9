"""What the comparisons of this folder have in common."""

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
    """Norms too: PyTorch starts them as 1 and 0, which hides mistakes."""
    generator = torch.Generator().manual_seed(seed)
    for name, p in net.named_parameters():
        if p.dim() == 1 and "norm" in name:
            p.data += 0.3 * torch.randn(p.shape, generator=generator)


def published(size, mult, attention, channels=3):
    """google/ddpm-*: the shape of Ho et al.'s networks, narrower."""
    levels = len(mult)
    down = ["AttnDownBlock2D" if i in attention else "DownBlock2D" for i in range(levels)]
    up = ["AttnUpBlock2D" if levels - 1 - i in attention else "UpBlock2D" for i in range(levels)]
    return dict(sample_size=size, in_channels=channels, out_channels=channels, layers_per_block=2,
                block_out_channels=[32 * m for m in mult], down_block_types=down, up_block_types=up, **GOOGLE)
