#!/usr/bin/env python3
"""`ddpm` against diffusers on the same files: predictions, files written back, sampling trajectories, one
training step. Prints a table of the largest errors; exit code 1 if one is too large.

    python tests/interop/parity.py PROGRAM [--configs 40] [--long]     # torch 2.11, diffusers 0.42.1

Random networks with random weights, in float32 on the CPU. An error is the largest difference, as a part of
the largest value of the expected tensor."""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy as np
import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from diffusers.schedulers import scheduling_ddpm
from safetensors import safe_open
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
import definitions as d  # noqa: E402

PREDICTION, TRAJECTORY, TRAINING = 2e-5, 1e-4, 1e-5
# Of Adam. With 1e-8 its first step is the sign of the gradient, also where that is rounding alone: of the
# keys' bias, which softmax ignores.
EPSILON = 1e-3
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


def random_config(r):
    levels = r.randint(1, 4)
    groups = r.choice([4, 8, 16])
    scale_shift = r.random() < 0.35
    widths = [groups * r.randint(1, 4) * 2 for _ in range(levels)]
    attention = [r.random() < 0.4 for _ in range(levels)]
    down_type, up_type = r.choice(["conv", "resnet"]), r.choice(["conv", "resnet"])
    plain_down = "DownBlock2D" if down_type == "conv" else "ResnetDownsampleBlock2D"
    plain_up = "UpBlock2D" if up_type == "conv" else "ResnetUpsampleBlock2D"
    size = 2 ** (levels - 1) * r.choice([2, 4, 6])
    channels = r.choice([1, 3, 4])
    config = dict(
        sample_size=size, in_channels=channels, out_channels=channels, layers_per_block=r.randint(1, 3),
        block_out_channels=widths,
        down_block_types=["AttnDownBlock2D" if a else plain_down for a in attention],
        up_block_types=["AttnUpBlock2D" if a else plain_up for a in reversed(attention)],
        downsample_type=down_type, upsample_type=up_type, norm_num_groups=groups,
        norm_eps=r.choice([1e-6, 1e-5, 1e-3]), downsample_padding=r.choice([0, 1]),
        flip_sin_to_cos=r.random() < 0.5, freq_shift=r.choice([0, 1]),
        attention_head_dim=r.choice([None, groups, 2, 2 * groups]),
        mid_block_scale_factor=r.choice([1, 2**0.5]), center_input_sample=r.random() < 0.2,
        add_attention=r.random() < 0.85, resnet_time_scale_shift="scale_shift" if scale_shift else "default",
        dropout=r.choice([0.0, 0.1]))
    if scale_shift and r.random() < 0.5:
        config["attn_norm_num_groups"] = groups
    if r.random() < 0.2:
        config["time_embedding_dim"] = 4 * r.randint(5, 30)
    # As the schema of the file allows: a key that is absent has the class's default.
    return {k: v for k, v in config.items() if r.random() < 0.9 or k in REQUIRED}


REQUIRED = ("sample_size", "in_channels", "out_channels", "block_out_channels", "down_block_types", "up_block_types",
            "downsample_type", "upsample_type", "norm_num_groups", "attention_head_dim", "attn_norm_num_groups")


def configs(count):
    r = random.Random(5)
    yield "google/ddpm-cifar10-32 (narrow)", published(32, (1, 2, 2, 2), {1})
    yield "google/ddpm-*-256 (narrow, 64 px)", published(64, (1, 1, 2, 2, 4, 4), {4})
    yield "UNet2DModel defaults (narrow)", dict(sample_size=16, block_out_channels=[32, 64, 96, 128])
    for i in range(count - 3):
        yield f"random {i}", random_config(r)


def predict(program, model, x, t, folder):
    save_file({"sample": x, "timestep": t}, folder / "in.safetensors")
    run(program, "denoise", "--model", model, "--input", folder / "in.safetensors",
        "--output", folder / "out.safetensors", "--device", "cpu")
    return load_file(folder / "out.safetensors")["prediction"]


def check_predictions(program, count, folder):
    """Also what is written back: the same weights, and the same prediction by diffusers."""
    worst = {}
    for number, (name, config) in enumerate(configs(count)):
        torch.manual_seed(number)
        net = UNet2DModel(**config).eval()
        randomize(net, number)
        model = folder / f"model{number}"
        form = number % 4
        pipeline = DDPMPipeline(net, DDPMScheduler(variance_type=random.Random(number).choice(["fixed_small", "fixed_large"])))
        pipeline.save_pretrained(model, safe_serialization=form != 1, max_shard_size="100KB" if form == 2 else "10GB")
        side = net.config.sample_size
        x, t = torch.randn(2, net.config.in_channels, side, side), torch.tensor([3, 870])
        with torch.no_grad():
            expected = net(x, t).sample
        got = error(predict(program, model / "unet" if form == 3 else model, x, t, folder), expected)
        back = folder / f"back{number}"
        run(program, "convert", "--model", model, "--to", "diffusers", "--output", back)
        loaded = DDPMPipeline.from_pretrained(back)
        same = all(torch.equal(a, loaded.unet.state_dict()[k]) for k, a in net.state_dict().items())
        with torch.no_grad():
            again = torch.equal(loaded.unet.eval()(x, t).sample, expected)
        same = same and again and loaded.scheduler.config.variance_type == pipeline.scheduler.config.variance_type
        worst["predictions"] = max(worst.get("predictions", 0), got)
        print(f"  {name:36s} {got:9.2e}{'' if same else '  WRITTEN BACK DIFFERENTLY'}")
        if got > PREDICTION or not same:
            print(f"    {json.dumps(config)}")
            worst["failed"] = True
    return worst


def check_round_trip(program, folder):
    """Own -> diffusers -> own, in the same bytes."""
    torch.manual_seed(1)
    DDPMPipeline(UNet2DModel(**published(16, (1, 2), {1})), DDPMScheduler()).save_pretrained(folder / "start")
    run(program, "convert", "--model", folder / "start", "--to", "ddpm", "--output", folder / "own")
    run(program, "convert", "--model", folder / "own", "--to", "diffusers", "--output", folder / "there")
    run(program, "convert", "--model", folder / "there", "--to", "ddpm", "--output", folder / "again")
    same = (folder / "own/model.safetensors").read_bytes() == (folder / "again/model.safetensors").read_bytes()
    for target in ("ho", "pytorch_ddpm", "openai", "compvis"):
        net = dict(published(16, (1, 2), {1}))
        if target == "pytorch_ddpm":
            net.update(norm_eps=1e-5, downsample_padding=1, freq_shift=0)
        if target in ("openai", "compvis"):
            net.update(norm_eps=1e-5, downsample_padding=1, freq_shift=0, flip_sin_to_cos=True, attention_head_dim=16)
        base = folder / f"as_{target}"
        DDPMPipeline(UNet2DModel(**net), DDPMScheduler()).save_pretrained(base)
        run(program, "convert", "--model", base, "--to", "ddpm", "--output", folder / f"{target}1")
        run(program, "convert", "--model", folder / f"{target}1", "--to", target, "--output", folder / f"{target}2")
        run(program, "convert", "--model", folder / f"{target}2", "--to", "ddpm", "--output", folder / f"{target}3")
        same = same and ((folder / f"{target}1/model.safetensors").read_bytes()
                         == (folder / f"{target}3/model.safetensors").read_bytes())
    return same


def check_trajectory(program, steps, folder):
    """Sampling from a given x_T; the noise of each step is the program's own, computed again."""
    torch.manual_seed(7)
    net = UNet2DModel(**published(8, (1, 2), {1})).eval()
    randomize(net, 7)
    scheduler = DDPMScheduler(variance_type="fixed_small" if steps < 1000 else "fixed_large")
    model = folder / f"trajectory{steps}"
    DDPMPipeline(net, scheduler).save_pretrained(model)
    x = torch.randn(2, 3, 8, 8)
    save_file({"noise": x}, folder / "noise.safetensors")
    run(program, "sample", "--model", model, "--steps", steps, "--noise", folder / "noise.safetensors", "--format",
        "safetensors", "--output", folder / "samples.safetensors", "--seed", 11, "--device", "cpu", "--progress", "off")
    got = load_file(folder / "samples.safetensors")["images"]
    scheduler.set_timesteps(steps)
    with torch.no_grad():
        for t in scheduler.timesteps:
            noise = torch.stack([d.normals(11, d.STEP_NOISE, int(t), i, x.shape[1:]) for i in range(len(x))]).float()
            scheduling_ddpm.randn_tensor = lambda *_, **__: noise
            x = scheduler.step(net(x, t).sample, t, x).prev_sample
    return error(got, x)


def check_training(program, folder):
    """One step of Adam from the same weights, images, timesteps and noise."""
    seed, batch, rate = 3, 8, 1e-3
    torch.manual_seed(9)
    images = d.embedded_images()
    net = UNet2DModel(**published(images.shape[-1], (1, 2), {1}, channels=1))
    randomize(net, 9)
    DDPMPipeline(net, DDPMScheduler()).save_pretrained(folder / "fresh")
    (folder / "recipe.json").write_text(json.dumps({
        "run": {"name": "step", "directory": str(folder / "runs"), "seed": seed},
        "training": {"steps": 1, "batch_size": batch, "learning_rate": rate, "warmup_steps": 0, "ema_decay": 0,
                     "epsilon": EPSILON, "clip_norm": 1.0, "log_every": 1, "sample_every": 0}}))
    run(program, "train", "--config", folder / "recipe.json", "--init-from", folder / "fresh", "--device", "cpu")
    index = [d.image_index(i, len(images), seed) for i in range(batch)]
    x0 = torch.from_numpy(images[index].astype("float64")) / 127.5 - 1
    t = torch.tensor([d.below(seed, d.TIMESTEP, 0, i, 1000) for i in range(batch)])
    noise = torch.stack([d.normals(seed, d.NOISE, 0, i, x0.shape[1:]) for i in range(batch)])
    bars = torch.from_numpy(d.alpha_bars())[t].view(-1, 1, 1, 1)
    net.train()
    # float64 stands for the exact result; both float32 programs differ from it by rounding.
    net.double()
    loss = ((net(bars.sqrt() * x0 + (1 - bars).sqrt() * noise, t).sample - noise) ** 2).mean()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    torch.optim.Adam(net.parameters(), lr=rate, eps=EPSILON).step()
    metrics = json.loads((folder / "runs/step/metrics.jsonl").read_text().splitlines()[-1])
    trained = load_file(folder / "runs/step/checkpoints/step_00000001/model.safetensors")
    weights = max(error(trained[k].double(), p.detach()) for k, p in net.named_parameters())
    return {"loss": abs(metrics["loss"] / loss.item() - 1), "gradient norm": abs(metrics["grad_norm"] / norm.item() - 1),
            "updated weights": weights}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--configs", type=int, default=40)
    parser.add_argument("--long", action="store_true", help="also a trajectory of 1000 steps")
    options = parser.parse_args()
    torch.set_num_threads(2)
    failed = False

    def report(what, value, limit):
        nonlocal failed
        failed = failed or not value <= limit
        print(f"{what:40s} {value:9.2e}   limit {limit:.0e}{'' if value <= limit else '   FAILED'}")

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        worst = check_predictions(options.program, options.configs, folder)
        failed = worst.get("failed", False)
        report(f"prediction, {options.configs} networks", worst["predictions"], PREDICTION)
        for steps in (10, 50, 1000) if options.long else (10, 50):
            report(f"DDPM trajectory, {steps} steps", check_trajectory(options.program, steps, folder), TRAJECTORY)
        for what, value in check_training(options.program, folder).items():
            report(f"one training step, {what}", value, TRAINING)
        same = check_round_trip(options.program, folder)
        print("round trips:", "identical bytes" if same else "BYTES DIFFER")
        failed = failed or not same
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
