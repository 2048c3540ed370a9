#!/usr/bin/env python3
"""Compares `ddpm` with diffusers and other programs on the same files: predictions, files written back, sampling
trajectories, one training step. Prints a table of the largest errors; exit code 1 if one is too large.

    python tests/interop/parity.py PROGRAM [--configs 40] [--seed 5] [--long]     # torch 2.11, diffusers 0.42.1, torchsde

Networks and weights are random; `ddpm` runs in float32 on the CPU. An error is the largest absolute difference
divided by the largest absolute value of the expected tensor."""

import argparse
import copy
import functools
import itertools
import json
import pathlib
import random
import sys
import tempfile

import diffusers
import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from diffusers.schedulers import scheduling_ddpm
from diffusers.utils import logging
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
import definitions as d  # noqa: E402
import others  # noqa: E402
import stable_diffusion  # noqa: E402
import training_step  # noqa: E402
import vocoder  # noqa: E402
from common import error, published, randomize, run  # noqa: E402

PREDICTION, TRAJECTORY, TRAINING, SPECTROGRAM = 2e-5, 1e-4, 1e-5, 1e-4


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
    if r.random() < (0.5 if scale_shift else 0.15):
        config["attn_norm_num_groups"] = r.choice([groups, 2])
    if r.random() < 0.2:
        config["time_embedding_dim"] = 4 * r.randint(5, 30)
    rest = random.Random(r.random())
    config["act_fn"] = rest.choice(["silu", "silu", "swish", "relu", "gelu", "mish"])
    config["time_embedding_type"] = rest.choice(["positional", "positional", "positional", "learned", "fourier"])
    if config["time_embedding_type"] == "learned":
        config["num_train_timesteps"] = 1000
    kind = rest.choice([None, None, None, "table", "timestep", "identity"])
    config["class_embed_type"] = None if kind == "table" else kind
    config["num_class_embeds"] = 10 if kind == "table" else None
    if rest.random() < 0.15:
        config["mid_block_type"] = None
    if rest.random() < 0.2:
        config["out_channels"] = 2 * channels
    differ(config, rest)
    # Some keys are left out, as the files allow: an absent key has the class's default.
    return {k: v for k, v in config.items() if r.random() < 0.9 or k in REQUIRED}


def differ(config, r):
    """In half of the networks, makes the two ways and the levels differ; some get another number of output channels."""
    if r.random() < 0.5:
        return
    for key, plain in (("down_block_types", ["DownBlock2D", "ResnetDownsampleBlock2D", "AttnDownBlock2D"]),
                       ("up_block_types", ["UpBlock2D", "ResnetUpsampleBlock2D", "AttnUpBlock2D"])):
        config[key] = [r.choice(plain) for _ in config[key]]
    if r.random() < 0.4:
        config["out_channels"] = r.choice([1, 2, 5, 7])


REQUIRED = ("sample_size", "in_channels", "out_channels", "block_out_channels", "down_block_types", "up_block_types",
            "downsample_type", "upsample_type", "norm_num_groups", "attention_head_dim", "attn_norm_num_groups",
            "num_train_timesteps")


def configs(count, seed):
    r = random.Random(seed)
    yield "google/ddpm-cifar10-32 (narrow)", published(32, (1, 2, 2, 2), {1})
    yield "google/ddpm-*-256 (narrow, 64 px)", published(64, (1, 1, 2, 2, 4, 4), {4})
    yield "UNet2DModel defaults (narrow)", dict(sample_size=16, block_out_channels=[32, 64, 96, 128])
    for i in range(count - 3):
        yield f"random {i}", random_config(r)


def labels_for(net):
    """Class labels for two images; None for an unconditional network."""
    kind, count = net.config.class_embed_type, net.config.num_class_embeds
    if kind == "identity":
        return torch.randn(2, net.config.time_embedding_dim or 4 * net.config.block_out_channels[0])
    return torch.tensor([4, 9]) if kind == "timestep" or count is not None else None


def predict(program, model, x, t, folder, labels=None, options=()):
    inputs = {"sample": x, "timestep": t} | ({} if labels is None else {"class_labels": labels})
    save_file(inputs, folder / "in.safetensors")
    run(program, "denoise", "--model", model, "--input", folder / "in.safetensors",
        "--output", folder / "out.safetensors", "--overwrite", "--device", "cpu", *options)
    return load_file(folder / "out.safetensors")["prediction"]


def check_predictions(program, count, seed, folder):
    """Compares predictions. Also checks that the model written back has the same weights and prediction in diffusers."""
    worst = {}
    for number, (name, config) in enumerate(configs(count, seed)):
        torch.manual_seed(number)
        net = UNet2DModel(**config).eval()
        randomize(net, number)
        model = folder / f"model{number}"
        form = number % 4
        pipeline = DDPMPipeline(net, DDPMScheduler(variance_type=random.Random(number).choice(["fixed_small", "fixed_large"])))
        pipeline.save_pretrained(model, safe_serialization=form != 1, max_shard_size="100KB" if form == 2 else "10GB")
        side = net.config.sample_size
        x, t = torch.randn(2, net.config.in_channels, side, side), torch.tensor([3, 870])
        labels = labels_for(net)
        with torch.no_grad():
            expected = net(x, t, labels).sample
        got = error(predict(program, model / "unet" if form == 3 else model, x, t, folder, labels), expected)
        back = folder / f"back{number}"
        run(program, "convert", "--model", model, "--to", "diffusers", "--output", back)
        loaded = DDPMPipeline.from_pretrained(back)
        same = all(torch.equal(a, loaded.unet.state_dict()[k]) for k, a in net.state_dict().items())
        with torch.no_grad():
            again = torch.equal(loaded.unet.eval()(x, t, labels).sample, expected)
        same = same and again and loaded.scheduler.config.variance_type == pipeline.scheduler.config.variance_type
        worst["predictions"] = max(worst.get("predictions", 0), got)
        print(f"  {name:36s} {got:9.2e}{'' if same else '  WRITTEN BACK DIFFERENTLY'}")
        if got > PREDICTION or not same:
            print(f"    {json.dumps(config)}")
            worst["failed"] = True
    return worst


def check_others(program, count, folder):
    """Compares predictions. Also checks that the tensors are the same when written back."""
    largest, same = 0, True
    for number, (name, scheme, net, content, options, more) in enumerate(others.cases(count)):
        file = folder / f"other{number}.ckpt"
        torch.save(content, file)
        x, t = torch.randn(2, 3, 16, 16), torch.tensor([3, 870])
        with torch.no_grad():
            expected = net(x, t * others.time_scale(options), *more)
        got = error(predict(program, file, x, t, folder, *more, options=options), expected)
        back = folder / f"other_back{number}"
        run(program, "convert", "--model", file, "--to", scheme, "--output", back, *options)
        written = {k.removeprefix("model.diffusion_model."): v for k, v in load_file(back / "model.safetensors").items()}
        equal = all(torch.equal(written[k], v) for k, v in net.state_dict().items()) and len(written) == len(net.state_dict())
        print(f"  {name:36s} {got:9.2e}{'' if equal else '  WRITTEN BACK DIFFERENTLY'}")
        largest, same = max(largest, got), same and equal
    return largest, same


def check_transformers(program, count, seed, folder):
    """Compares networks with transformers. Returns the largest error and whether all were written back as they were."""
    largest, all_same = 0, True
    for name, got, same, *config in (*stable_diffusion.check_diffusers(program, count, seed, folder),
                                     *stable_diffusion.check_compvis(program, folder)):
        print(f"  {name:36s} {got:9.2e}{'' if same else '  WRITTEN BACK DIFFERENTLY'}")
        if (got > PREDICTION or not same) and config:
            print(f"    {json.dumps(config[0])}")
        largest, all_same = max(largest, got), all_same and same
    return largest, all_same


def check_round_trip(program, folder):
    """Checks that a model converted to another layout and back has the same bytes."""
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


@functools.cache
def trained_network(prediction, channels):
    """A network trained for a few seconds on smooth images. With an untrained network DDIM is chaotic: even diffusers'
    own images in float32 and in float64 then differ by their whole range."""
    torch.manual_seed(7)
    net = UNet2DModel(**{**published(8, (1, 2), {1}), "out_channels": channels})
    randomize(net, 7)
    scheduler = DDPMScheduler()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(200):
        coarse = torch.rand(16, 3, 2, 2) * 2 - 1
        x0 = torch.nn.functional.interpolate(coarse, scale_factor=4, mode="bilinear")
        t, noise = torch.randint(1000, (16,)), torch.randn_like(x0)
        noisy = scheduler.add_noise(x0, noise, t)
        target = {"epsilon": noise, "sample": x0, "v_prediction": scheduler.get_velocity(x0, noise, t)}[prediction]
        loss = ((net(noisy, t).sample[:, :3] - target) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


def own_noise(seed, t, like):
    """The program's noise of a step, by the second implementation in definitions.py."""
    return torch.stack([d.normals(seed, d.STEP_NOISE, int(t), i, like.shape[1:]) for i in range(len(like))]).float()


def check_trajectory(program, scheduler, steps, folder, eta):
    """Compares images sampled from a given x_T. Returns their error."""
    learned = scheduler.config.get("variance_type", "").startswith("learned")
    net = copy.deepcopy(trained_network(scheduler.config.prediction_type, 6 if learned else 3))
    if scheduler.config.get("variance_type") == "learned":  # a variance must not be negative
        net.conv_out.weight.data[3:] *= 1e-3
        net.conv_out.bias.data[3:] = 0.01
    model = folder / f"trajectory{len(list(folder.iterdir()))}"
    pipeline = DDIMPipeline if isinstance(scheduler, DDIMScheduler) else DDPMPipeline
    pipeline(net, scheduler).save_pretrained(model)
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(8))
    save_file({"noise": x}, folder / "noise.safetensors")
    run(program, "sample", "--model", model, "--steps", steps, "--noise", folder / "noise.safetensors", "--format",
        "safetensors", "--output", folder / "samples.safetensors", "--overwrite", "--seed", 11, "--device", "cpu",
        "--progress", "off",
        *(("--eta", eta) if isinstance(scheduler, DDIMScheduler) else ()))
    got = load_file(folder / "samples.safetensors")["images"]
    scheduler.set_timesteps(steps)
    with torch.no_grad():
        for t in scheduler.timesteps:
            noise = own_noise(11, t, x)
            if isinstance(scheduler, DDIMScheduler):
                more = {"variance_noise": noise} if eta > 0 else {}
                x = scheduler.step(net(x, t).sample, t, x, eta=eta, **more).prev_sample
            else:
                scheduling_ddpm.randn_tensor = lambda *_, **__: noise
                x = scheduler.step(net(x, t).sample, t, x).prev_sample
    return error(got, x)


def trajectories(long):
    """Yields name, scheduler, steps, eta."""
    for steps in (10, 50, 1000) if long else (10, 50):
        large = "fixed_small" if steps < 1000 else "fixed_large"
        yield f"DDPM, {steps} steps", DDPMScheduler(variance_type=large), steps, 0
        yield f"DDIM, {steps} steps", DDIMScheduler(), steps, 0
        yield f"DDIM eta 0.5, {steps} steps", DDIMScheduler(), steps, 0.5
        kind = "v_prediction" if steps != 50 else "sample"
        yield f"DDPM {kind}, {steps} steps", DDPMScheduler(prediction_type=kind, timestep_spacing="trailing"), steps, 0
        offset = dict(steps_offset=1 if steps < 1000 else 0, set_alpha_to_one=False, clip_sample=steps == 50)
        yield f"DDIM {kind}, offset, {steps} steps", DDIMScheduler(prediction_type=kind, **offset), steps, 0
        learned = "learned_range" if steps != 50 else "learned"
        yield f"DDPM {learned}, {steps} steps", DDPMScheduler(variance_type=learned), steps, 0
        snr = dict(rescale_betas_zero_snr=True, prediction_type=kind, timestep_spacing="trailing")
        yield f"DDPM {kind}, zero terminal SNR, {steps} steps", DDPMScheduler(**snr), steps, 0
        yield f"DDIM {kind}, zero terminal SNR, {steps} steps", DDIMScheduler(**snr), steps, 0
        threshold = dict(thresholding=True, dynamic_thresholding_ratio=0.9, sample_max_value=2.0)
        yield f"DDPM, thresholding, {steps} steps", DDPMScheduler(**threshold), steps, 0
        yield f"DDIM, thresholding, {steps} steps", DDIMScheduler(**threshold), steps, 0
        cosine = dict(beta_schedule="squaredcos_cap_v2", timestep_spacing="trailing")
        yield f"DDIM cosine, trailing, {steps} steps", DDIMScheduler(**cosine), steps, 0


def solvers():
    """Yields name, scheduler: those whose folders are read beside DDPMScheduler and DDIMScheduler."""
    karras, trailing = dict(use_karras_sigmas=True), dict(timestep_spacing="trailing")
    yield "Euler", diffusers.EulerDiscreteScheduler(**trailing)
    yield "Euler, linspace, Karras", diffusers.EulerDiscreteScheduler(**karras)
    yield "Euler ancestral, leading", diffusers.EulerAncestralDiscreteScheduler(timestep_spacing="leading")
    linear = dict(beta_start=1e-4, beta_end=0.02)
    yield "Heun, clipped, Karras", diffusers.HeunDiscreteScheduler(clip_sample=True, **linear, **karras)
    yield "KDPM2, trailing", diffusers.KDPM2DiscreteScheduler(**linear, **trailing)
    yield "LMS, linspace", diffusers.LMSDiscreteScheduler(**linear)
    yield "PNDM, skip_prk_steps", diffusers.PNDMScheduler(skip_prk_steps=True, **linear)
    yield "DEIS, v_prediction", diffusers.DEISMultistepScheduler(prediction_type="v_prediction")
    dpm = diffusers.DPMSolverMultistepScheduler
    yield "DPM-Solver++ 2M", dpm()
    yield "DPM-Solver++ 2M, Karras, v_prediction", dpm(prediction_type="v_prediction", **karras)
    yield "DPM-Solver++ 2M, sample, clipped", dpm(prediction_type="sample", thresholding=True, **trailing)
    yield "DPM-Solver++ 3M, exponential", dpm(solver_order=3, use_exponential_sigmas=True)
    yield "DPM-Solver++ 3M, Karras between limits", dpm.from_config(
        dict(solver_order=3, prediction_type="v_prediction", sigma_min=0.05, sigma_max=20.0, **karras))
    yield "DPM-Solver++ 2M SDE", dpm(algorithm_type="sde-dpmsolver++")
    yield "LCM", diffusers.LCMScheduler(beta_schedule="linear", **linear)
    yield "UniPC", diffusers.UniPCMultistepScheduler()
    yield "UniPC, zero terminal SNR", diffusers.UniPCMultistepScheduler(
        prediction_type="v_prediction", rescale_betas_zero_snr=True, **trailing)


def check_solver(program, scheduler, steps, folder):
    """Compares images sampled from a given x_T with the settings of the scheduler's folder. Returns their error."""
    net = trained_network(scheduler.config.prediction_type, 3)
    model = folder / f"solver{len(list(folder.iterdir()))}"
    DDPMPipeline(net, DDPMScheduler()).save_pretrained(model)
    scheduler.save_pretrained(model / "scheduler")
    noise = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(8))
    save_file({"noise": noise}, folder / "noise.safetensors")
    run(program, "sample", "--model", model, "--steps", steps, "--noise", folder / "noise.safetensors",
        "--output", folder / "samples.safetensors", "--overwrite", "--seed", 11, "--device", "cpu", "--progress", "off")
    got = load_file(folder / "samples.safetensors")["images"]
    scheduler.set_timesteps(steps)
    x = noise * scheduler.init_noise_sigma
    module = sys.modules[type(scheduler).__module__]
    with torch.no_grad():
        for t in scheduler.timesteps:
            module.randn_tensor = lambda *_, **__: own_noise(11, t, x)
            x = scheduler.step(net(scheduler.scale_model_input(x, t), t).sample, t, x).prev_sample
    return error(got, x)


def written():
    """Yields name, scheduler: those of which only the folders are compared too, since their noise is not a timestep's,
    or diffusers has a fault there."""
    linear, trailing = dict(beta_start=1e-4, beta_end=0.02), dict(timestep_spacing="trailing")
    yield "KDPM2 ancestral", diffusers.KDPM2AncestralDiscreteScheduler(**linear, **trailing)
    yield "DPM-Solver++ SDE", diffusers.DPMSolverSDEScheduler(use_karras_sigmas=True, **linear)
    yield "DPM-Solver++ 3M SDE", diffusers.DPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++", solver_order=3)


def check_written(program, scheduler, folder):
    """Lets the program read and write the folder of a scheduler. Returns 0 if diffusers then reads the same settings."""
    model = folder / f"read{len(list(folder.iterdir()))}"
    DDPMPipeline(trained_network(scheduler.config.prediction_type, 3), DDPMScheduler()).save_pretrained(model)
    scheduler.save_pretrained(model / "scheduler")
    copy = model.with_name(model.name + "_written")
    run(program, "convert", "--model", model, "--to", "diffusers", "--output", copy)
    again = type(scheduler).from_pretrained(copy, subfolder="scheduler")
    differing = {key for key, value in scheduler.config.items() if key[0] != "_" and again.config[key] != value}
    if differing:
        print(f"  {type(scheduler).__name__}: {sorted(differing)}")
    return float(len(differing))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--configs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=5, help="seed of the random configs")
    parser.add_argument("--long", action="store_true", help="also compare trajectories of 1000 steps")
    options = parser.parse_args()
    torch.set_num_threads(2)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    failed = False

    def report(what, value, limit):
        nonlocal failed
        failed = failed or not value <= limit
        print(f"{what:56s} {value:9.2e}   limit {limit:.0e}{'' if value <= limit else '   FAILED'}")

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        worst = check_predictions(options.program, options.configs, options.seed, folder)
        failed = worst.get("failed", False)
        report(f"prediction, {options.configs} networks", worst["predictions"], PREDICTION)
        for what, scheduler, steps, eta in trajectories(options.long):
            report(what, check_trajectory(options.program, scheduler, steps, folder, eta), TRAJECTORY)
        for what, scheduler in itertools.chain(solvers(), written()):
            report(f"{what}, written", check_written(options.program, scheduler, folder), 0)
        for what, scheduler in solvers():
            for steps in (10, 25):
                report(f"{what}, {steps} steps", check_solver(options.program, scheduler, steps, folder), TRAJECTORY)
        largest, equal = check_transformers(options.program, options.configs, options.seed, folder)
        report(f"prediction, {options.configs + 4} networks with transformers", largest, PREDICTION)
        failed = failed or not equal
        largest, equal = check_others(options.program, max(options.configs // 4, 2), folder)
        report("prediction, networks of other programs", largest, PREDICTION)
        failed = failed or not equal
        for name, errors in training_step.cases(options.program, folder):
            for what, value in errors.items():
                report(f"one training step, {name}, {what}", value, TRAINING)
        for name, value in (*vocoder.generators(options.program, folder), *vocoder.trained(options.program, folder)):
            report(name, value, PREDICTION)
        for name, value in vocoder.spectrogram(options.program, folder):
            report(name, value, SPECTROGRAM)
        same = check_round_trip(options.program, folder)
        print("round trips:", "identical bytes" if same else "BYTES DIFFER")
        failed = failed or not same
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
