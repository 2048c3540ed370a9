"""Random numbers, data order and noise schedule of `ddpm`, implemented a second time from docs/determinism.md
and the comments in include/ddpm/base/random.h, data/order.h and diffusion/schedule.h. All numbers are float64."""

import gzip
import math
import pathlib
import struct

import numpy as np
import torch
from diffusers import UNet2DModel

ROOT = pathlib.Path(__file__).resolve().parents[2]
MASK = 0xFFFFFFFF
TIMESTEP, NOISE, SHUFFLE, INITIAL_NOISE, STEP_NOISE, INITIALIZATION, CONTEXT_DROPOUT, OFFSET_NOISE = 0, 1, 4, 5, 6, 7, 10, 14


def philox4x32_10(counter, key):
    """Philox (Salmon et al., SC 2011) on Python integers or numpy uint64 arrays that hold 32-bit words."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & MASK, (p0 >> 32) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


def words(seed, stream, step, sample, count):
    """The first `count` words of one draw. Step and sample have 40 bits; the high 8 are in one word with the stream."""
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)
    wide = lambda value: np.full_like(blocks, value)
    packed = stream | (step >> 32 & 0xFF) << 16 | (sample >> 32 & 0xFF) << 24
    out = philox4x32_10(
        (blocks, wide(sample & MASK), wide(step & MASK), wide(packed)),
        (wide(seed & MASK), wide(seed >> 32)),
    )
    return np.stack(out, axis=1).reshape(-1)[:count]


def uniforms(seed, stream, step, sample, count):
    return ((words(seed, stream, step, sample, count) >> np.uint64(9)).astype(np.float64) + 0.5) * 2.0**-23


def normals(seed, stream, step, sample, shape):
    """The Box-Muller transform of words (2k, 2k+1)."""
    count = math.prod(shape)
    u = uniforms(seed, stream, step, sample, count + count % 2).reshape(-1, 2)
    radius, angle = np.sqrt(-2 * np.log(u[:, 0])), 2 * np.pi * u[:, 1]
    z = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)[:count]
    return torch.from_numpy(z.reshape(shape))


def below(seed, stream, step, sample, bound):
    return int(words(seed, stream, step, sample, 1)[0]) * bound >> 32


def image_index(position, count, seed):
    """A Feistel network of 8 rounds over Z_m x Z_m with cycle walking."""
    epoch, value = divmod(position, count)
    m = math.isqrt(count - 1) + 1 if count > 1 else 1
    while True:
        left, right = divmod(value, m)
        for round_ in range(8):
            packed = SHUFFLE | (epoch >> 32 & 0xFF) << 16 | (right >> 32 & 0xFF) << 24
            w = philox4x32_10((round_, right & MASK, epoch & MASK, packed), (seed & MASK, seed >> 32))
            left, right = right, (left + (w[0] << 32 | w[1])) % m
        value = left * m + right
        if value < count:
            return value


def embedded_images():
    raw = gzip.decompress((ROOT / "src/data/embedded/images.idx.gz").read_bytes())
    magic, count, height, width = struct.unpack(">IIII", raw[:16])
    assert magic == 0x803
    return np.frombuffer(raw[16:], np.uint8).reshape(count, 1, height, width)


def embedded_labels():
    raw = gzip.decompress((ROOT / "src/data/embedded/labels.idx.gz").read_bytes())
    magic, count = struct.unpack(">II", raw[:8])
    assert magic == 0x801
    return np.frombuffer(raw[8:], np.uint8).reshape(count)


def betas(timesteps=1000, first=1e-4, last=0.02):
    return np.linspace(first, last, timesteps)


def alpha_bars(timesteps=1000):
    return np.cumprod(1 - betas(timesteps))


def network(width, groups, channels, size):
    """Ho et al.'s network with two levels, one block in each, and attention at the lower level."""
    return UNet2DModel(
        sample_size=size, in_channels=channels, out_channels=channels, layers_per_block=1,
        block_out_channels=(width, 2 * width), down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"), norm_num_groups=groups, norm_eps=1e-6,
        attention_head_dim=None, downsample_padding=0, flip_sin_to_cos=False, freq_shift=1, dropout=0.0,
    ).double()
