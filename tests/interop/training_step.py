"""Compares one training step of `ddpm` with PyTorch's autograd and Adam in float64 on the same weights, images,
timesteps and noise."""

import json
import math
import pathlib
import sys

import numpy as np
import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DConditionModel, UNet2DModel
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
import definitions as d  # noqa: E402
import others  # noqa: E402
from common import error, published, randomize, run  # noqa: E402

# Adam's epsilon. With 1e-8 its first step would be the sign of the gradient, even of a gradient that is only
# rounding error, as that of the keys' bias, which softmax ignores.
EPSILON = 1e-3
SEED, BATCH, RATE = 3, 8, 1e-3  # of the step that is compared


def train_one_step(program, folder, name, start, *options):
    """Trains one step with Adam. Returns its line of the metrics and the run directory."""
    (folder / "recipe.json").write_text(json.dumps({
        "run": {"name": name, "directory": str(folder / "runs"), "seed": SEED},
        "training": {"steps": 1, "batch_size": BATCH, "learning_rate": RATE, "warmup_steps": 0, "ema_decay": 0,
                     "epsilon": EPSILON, "clip_norm": 1.0, "log_every": 1, "sample_every": 0}}))
    run(program, "train", "--config", folder / "recipe.json", "--init-from", start, "--device", "cpu", *options)
    result = folder / "runs" / name
    return json.loads((result / "metrics.jsonl").read_text().splitlines()[-1]), result


def first_batch(timesteps):
    """Images, labels, timesteps and noise of the step; images and noise in float64."""
    images, labels = d.embedded_images(), d.embedded_labels()
    index = [d.image_index(i, len(images), SEED) for i in range(BATCH)]
    x0 = torch.from_numpy(images[index].astype("float64")) / 127.5 - 1
    t = torch.tensor([d.below(SEED, d.TIMESTEP, 0, i, timesteps) for i in range(BATCH)])
    noise = torch.stack([d.normals(SEED, d.NOISE, 0, i, x0.shape[1:]) for i in range(BATCH)])
    return x0, torch.from_numpy(labels[index].astype("int64")), t, noise


def update(net, loss):
    """Makes the same step with PyTorch. Returns the gradient's norm."""
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    torch.optim.Adam(net.parameters(), lr=RATE, eps=EPSILON).step()
    return norm.item()


def training_errors(metrics, trained, net, loss, norm):
    weights = max(error(trained[k].double(), p.detach()) for k, p in net.named_parameters())
    return {"loss": abs(metrics["loss"] / loss.item() - 1), "gradient norm": abs(metrics["grad_norm"] / norm - 1),
            "updated weights": weights}


def check_training(program, folder, prediction, classes, name="", loss_of=None, timestep_of=None, offset=0.0, **training):
    """Compares a network of diffusers. Its result in float64 counts as exact; `ddpm` differs by float32 rounding. `loss_of` takes
    the errors and SNR, `timestep_of` a word of 20 bits."""
    torch.manual_seed(9)
    x0, labels, t, noise = first_batch(1000)
    if timestep_of:
        t = torch.tensor([timestep_of(d.below(SEED, d.TIMESTEP, 0, i, 1 << 20)) for i in range(BATCH)])
    if offset:
        noise = noise + offset * torch.stack([d.normals(SEED, d.OFFSET_NOISE, 0, i, (x0.shape[1], 1, 1)) for i in range(BATCH)])
        training["offset_noise"] = offset
    net = UNet2DModel(**published(x0.shape[-1], (1, 2), {1}, channels=1), num_class_embeds=classes)
    randomize(net, 9)
    name = f"step_{prediction}{name}"
    DDPMPipeline(net, DDPMScheduler(prediction_type=prediction)).save_pretrained(folder / f"fresh_{name}")
    settings = [word for key, value in training.items() for word in ("--set", f"training.{key}={value}")]
    metrics, result = train_one_step(program, folder, name, folder / f"fresh_{name}", *settings)
    bars = torch.from_numpy(d.alpha_bars())[t].view(-1, 1, 1, 1)
    signal, sigma = bars.sqrt(), (1 - bars).sqrt()
    target = {"epsilon": noise, "v_prediction": signal * noise - sigma * x0, "sample": x0}[prediction]
    net.double().train()
    errors = net(signal * x0 + sigma * noise, t, None if classes is None else labels).sample - target
    loss = (errors**2).mean() if loss_of is None else loss_of(errors, bars / (1 - bars)).mean()
    norm = update(net, loss)
    return training_errors(metrics, load_file(result / "checkpoints/step_00000001/model.safetensors"), net, loss, norm)


# Stable Diffusion 1's structure. Its images have one channel, or four if they are latents.
def text_network(channels, side):
    torch.manual_seed(12)
    net = UNet2DConditionModel(
        sample_size=side, in_channels=channels, out_channels=channels, block_out_channels=[32, 64, 64], layers_per_block=1,
        down_block_types=["CrossAttnDownBlock2D"] * 2 + ["DownBlock2D"], up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 2,
        cross_attention_dim=24, attention_head_dim=8)
    randomize(net, 12)
    return net


def check_text_training(program, folder, latents, dropout):
    """Compares a network with transformers, trained on the pictures of the program with a context for each class, or on
    latents with a context for each; with a schedule of Stable Diffusion."""
    generator = torch.Generator().manual_seed(13)
    name = "text_" + ("latents" if latents else "pixels")
    x0, labels, t, noise = first_batch(1000)
    count, scale = len(d.embedded_images()), 1.0
    rows = labels.tolist()
    if latents:
        count, scale = 20, 0.18215
        stored = 5 * torch.randn(count, 4, 12, 12, generator=generator)
        save_file({"latents": stored}, folder / "latents.safetensors", {"scale": str(scale)})
        rows = [d.image_index(i, count, SEED) for i in range(BATCH)]
        x0 = stored[rows].double() * scale
        noise = torch.stack([d.normals(SEED, d.NOISE, 0, i, x0.shape[1:]) for i in range(BATCH)])
    contexts, empty = torch.randn(count if latents else 10, 7, 24, generator=generator), torch.randn(7, 24, generator=generator)
    save_file({"contexts": contexts, "empty": empty}, folder / f"{name}.safetensors")
    dropped = [d.uniforms(SEED, d.CONTEXT_DROPOUT, 0, i, 1)[0] < dropout for i in range(BATCH)]
    assert any(dropped) and not all(dropped)
    context = torch.stack([empty if drop else contexts[row] for row, drop in zip(rows, dropped)])

    net, start = text_network(x0.shape[1], x0.shape[-1]), folder / f"fresh_{name}"
    net.save_pretrained(start / "unet")
    schedule = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False)
    DDPMScheduler(**schedule).save_pretrained(start / "scheduler")
    source = ("--set", "data.source=latents", "--set", f"data.path={folder / 'latents.safetensors'}") if latents else ()
    metrics, result = train_one_step(program, folder, name, start, *source, "--set", f"data.context={folder / name}.safetensors",
                                     "--set", f"training.context_dropout={dropout}")
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    bars = torch.from_numpy(np.cumprod(1 - betas))[t].view(-1, 1, 1, 1)
    net.double().train()
    predicted = net(bars.sqrt() * x0 + (1 - bars).sqrt() * noise, t, context.double()).sample
    loss = ((predicted - noise) ** 2).mean()
    norm = update(net, loss)
    return training_errors(metrics, load_file(result / "checkpoints/step_00000001/model.safetensors"), net, loss, norm)


def check_hybrid_training(program, folder, timesteps):
    """Compares a network of guided-diffusion that learns its variance. If there are few timesteps, the batch has the
    first one, where the bound is a likelihood."""
    x0, _, t, noise = first_batch(timesteps)
    assert timesteps > 100 or 0 in t
    net, exact_loss = others.learned_variance(x0.shape[-1])
    name, start = f"hybrid_{timesteps}", folder / f"hybrid_{timesteps}.pt"
    torch.save(net.state_dict(), start)
    metrics, result = train_one_step(program, folder, name, start, "--set", f"diffusion.timesteps={timesteps}")
    run(program, "convert", "--model", result, "--to", "openai", "--output", folder / f"{name}_back")
    loss = exact_loss(d.betas(timesteps), x0, t, noise)
    norm = update(net, loss)
    return training_errors(metrics, load_file(folder / f"{name}_back/model.safetensors"), net, loss, norm)


def log_normal_timestep(word):
    """The quantile of the middle of the word's interval."""
    bars = d.alpha_bars()
    x = np.log((1 - bars) / bars) / 2
    ends = np.concatenate([[1.5 * x[0] - x[1] / 2], (x[1:] + x[:-1]) / 2, [1.5 * x[-1] - x[-2] / 2]])
    reached = np.array([math.erfc(-(end + 1.2) / 1.2 / math.sqrt(2)) / 2 for end in ends])
    sums = np.cumsum(np.diff(reached))
    return int(np.searchsorted(sums, (word + 0.5) / 2**20 * sums[-1]))


def check_objectives(program, folder):
    """Compares other losses, weights, timesteps and noise."""
    def check(name, prediction, loss_of, **settings):
        return name, check_training(program, folder, prediction, None, "_" + name.replace(" ", "_"), loss_of, **settings)
    yield check("l1", "epsilon", lambda e, snr: e.abs(), loss="l1")
    yield check("huber", "epsilon", lambda e, snr: torch.where(e.abs() < 0.3, e**2 / 2, 0.3 * (e.abs() - 0.15)), loss="huber",
                huber_delta=0.3)
    yield check("min-SNR of noise", "epsilon", lambda e, snr: e**2 * snr.clamp(max=5) / snr, loss_weight="min_snr")
    yield check("min-SNR of velocity", "v_prediction", lambda e, snr: e**2 * snr.clamp(max=3) / (snr + 1), loss_weight="min_snr",
                min_snr_gamma=3)
    yield check("p2", "epsilon", lambda e, snr: e**2 / (1 + snr) ** 0.5, loss_weight="p2", p2_gamma=0.5)
    yield check("EDM's weight, log-normal timesteps", "v_prediction", lambda e, snr: e**2 * (snr + 4) / (snr + 1), loss_weight="edm",
                timestep_sampling="log_normal", timestep_of=log_normal_timestep)
    yield check("offset noise", "epsilon", None, offset=0.1)


def cases(program, folder):
    """Yields the name of each comparison and its errors."""
    yield from check_objectives(program, folder)
    yield "epsilon", check_training(program, folder, "epsilon", None)
    yield "v_prediction, classes", check_training(program, folder, "v_prediction", 10)
    yield "contexts of classes, some dropped", check_text_training(program, folder, latents=False, dropout=0.4)
    yield "latents with contexts, some dropped", check_text_training(program, folder, latents=True, dropout=0.4)
    for timesteps in (1000, 12) if others.has_openai() else ():
        yield f"learned variance, T {timesteps}", check_hybrid_training(program, folder, timesteps)
