"""Compares networks with transformers: UNet2DConditionModel of diffusers, and CompVis's UNetModel in files of
Stable Diffusion."""

import json
import random
import sys
import types

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

import others
from common import error, randomize, run


def per_level(r, levels, choices):
    """One value for all levels, or a list."""
    return r.choice(choices) if r.random() < 0.5 else [r.choice(choices) for _ in range(levels)]


def random_config(r):
    levels, groups = r.randint(1, 3), r.choice([4, 8, 16])
    down = [r.random() < 0.65 for _ in range(levels)]
    up = down if r.random() < 0.7 else [r.random() < 0.65 for _ in range(levels)]
    channels, further = r.choice([3, 4, 4]), r.choice([0, 0, 0, 4, 5])
    config = dict(
        sample_size=8 * 2 ** (levels - 1), in_channels=channels + further, out_channels=channels,
        block_out_channels=[16 * r.randint(1, 3) for _ in range(levels)],
        down_block_types=["CrossAttnDownBlock2D" if t else "DownBlock2D" for t in down],
        up_block_types=["CrossAttnUpBlock2D" if t else "UpBlock2D" for t in reversed(up)],
        layers_per_block=per_level(r, levels, [1, 2]), attention_head_dim=per_level(r, levels, [1, 2, 4, 8]),
        transformer_layers_per_block=per_level(r, levels, [1, 1, 2, 3]), cross_attention_dim=r.choice([8, 20, 24]),
        use_linear_projection=r.random() < 0.5, upcast_attention=r.random() < 0.3,
        only_cross_attention=r.choice([False, False, True, [r.random() < 0.5 for _ in range(levels)]]),
        norm_num_groups=groups, norm_eps=r.choice([1e-5, 1e-6]), downsample_padding=r.choice([1, 1, 0]),
        flip_sin_to_cos=r.random() < 0.7, freq_shift=r.choice([0, 0, 1]), mid_block_scale_factor=r.choice([1, 2**0.5]),
        center_input_sample=r.random() < 0.2, resnet_time_scale_shift=r.choice(["default", "default", "scale_shift"]))
    if r.random() < 0.1:
        config["mid_block_type"] = None
        if not any(down) and not any(up):
            config["down_block_types"][0] = "CrossAttnDownBlock2D"
    if r.random() < 0.2:
        config["time_embedding_dim"] = 4 * r.randint(5, 30)
    kind = r.choice([None, None, "table", "timestep", "identity", "projection", "text_time", "text_time"])
    if kind == "table":
        config["num_class_embeds"] = 10
    elif kind == "text_time":
        config.update(addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=68)
    elif kind is not None:
        config["class_embed_type"] = kind
        if kind == "projection":
            config["projection_class_embeddings_input_dim"] = 12
    return config


# Narrow networks with the settings of the published ones.
COMMON = dict(sample_size=16, layers_per_block=1, block_out_channels=[32, 64, 64])
PUBLISHED = {
    "Stable Diffusion 1 (narrow)": dict(
        COMMON, cross_attention_dim=24, attention_head_dim=8,
        down_block_types=["CrossAttnDownBlock2D"] * 2 + ["DownBlock2D"], up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 2),
    "Stable Diffusion 2 (narrow)": dict(
        COMMON, cross_attention_dim=24, attention_head_dim=[2, 4, 4], use_linear_projection=True,
        down_block_types=["CrossAttnDownBlock2D"] * 2 + ["DownBlock2D"], up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 2),
    "Stable Diffusion 1, inpainting (narrow)": dict(
        COMMON, in_channels=9, out_channels=4, cross_attention_dim=24, attention_head_dim=8,
        down_block_types=["CrossAttnDownBlock2D"] * 2 + ["DownBlock2D"], up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 2),
    "Stable Diffusion XL (narrow)": dict(
        COMMON, cross_attention_dim=24, attention_head_dim=[2, 4, 8], use_linear_projection=True,
        transformer_layers_per_block=[1, 2, 3], addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=68, down_block_types=["DownBlock2D"] + ["CrossAttnDownBlock2D"] * 2,
        up_block_types=["CrossAttnUpBlock2D"] * 2 + ["UpBlock2D"])}


def configs(count, seed):
    r = random.Random(seed)
    yield from PUBLISHED.items()
    for i in range(count):
        yield f"UNet2DConditionModel {i}", random_config(r)


def inputs_for(net, sides):
    """The tensors of the file that `ddpm denoise` reads."""
    c = net.config
    tensors = {"sample": torch.randn(2, c.in_channels, *sides), "timestep": torch.tensor([3, 870]),
               "encoder_hidden_states": torch.randn(2, 7, c.cross_attention_dim)}
    if c.addition_embed_type == "text_time":
        ids = 6
        width = c.projection_class_embeddings_input_dim - ids * c.addition_time_embed_dim
        tensors["text_embeds"] = torch.randn(2, width)
        tensors["time_ids"] = torch.tensor([[512.0, 768, 0, 4, 512, 768], [64, 32, 8, 0, 1024, 96]])
    if c.num_class_embeds is not None or c.class_embed_type == "timestep":
        tensors["class_labels"] = torch.tensor([4, 9])
    elif c.class_embed_type == "identity":
        tensors["class_labels"] = torch.randn(2, c.time_embedding_dim or 4 * c.block_out_channels[0])
    elif c.class_embed_type == "projection":
        tensors["class_labels"] = torch.randn(2, c.projection_class_embeddings_input_dim)
    return tensors


def evaluate(net, tensors):
    added = {k: tensors[k] for k in ("text_embeds", "time_ids") if k in tensors}
    with torch.no_grad():
        return net(tensors["sample"], tensors["timestep"], tensors["encoder_hidden_states"],
                   class_labels=tensors.get("class_labels"), added_cond_kwargs=added or None).sample


def denoise(program, model, tensors, folder, options=()):
    save_file(tensors, folder / "in.safetensors")
    run(program, "denoise", "--model", model, "--input", folder / "in.safetensors", "--output", folder / "out.safetensors",
        "--overwrite", "--device", "cpu", *options)
    return load_file(folder / "out.safetensors")["prediction"]


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def made(config, seed):
    torch.manual_seed(seed)
    net = UNet2DConditionModel(**config).eval()
    randomize(net, seed)
    return net


def check_diffusers(program, count, seed, folder):
    """Compares predictions, and networks that were read and written back. Yields name, error, whether they are equal."""
    for number, (name, config) in enumerate(configs(count, seed)):
        net = made(config, number)
        model = folder / f"condition{number}"
        net.save_pretrained(model / "unet")
        side = net.config.sample_size
        # Every third image has sides that the levels do not divide.
        sides = (side + 3, side + 1) if number % 3 == 2 else (side, side)
        tensors = inputs_for(net, sides)
        expected = evaluate(net, tensors)
        got = error(denoise(program, model, tensors, folder), expected)
        back = folder / f"condition_back{number}"
        run(program, "convert", "--model", model, "--to", "diffusers", "--output", back)
        again = UNet2DConditionModel.from_pretrained(back / "unet").eval()
        same = equal(net.state_dict(), again.state_dict()) and torch.equal(evaluate(again, tensors), expected)
        yield name, got, same, config


def compvis_arguments():
    """Yields name and arguments of CompVis's UNetModel, as in its yaml files but narrower."""
    common = dict(image_size=16, in_channels=4, out_channels=4, model_channels=32, num_res_blocks=2, channel_mult=[1, 2, 2],
                  attention_resolutions=[2, 1], use_spatial_transformer=True, transformer_depth=1, context_dim=24,
                  use_checkpoint=False, legacy=False)
    yield "v1", dict(common, num_heads=8)
    yield "v1 inpainting", dict(common, num_heads=8, in_channels=9)
    yield "v2", dict(common, num_head_channels=16, use_linear_in_transformer=True)
    yield "v2, no self-attention", dict(common, num_head_channels=16, use_linear_in_transformer=True,
                                        disable_self_attentions=[True, False, False])


SCHEDULE = dict(linear_start=0.00085, linear_end=0.0120, timesteps=1000)


def compvis_file(net):
    """A file as CompVis saves it: the network, its average, and parts that are not read."""
    raw = {"model.diffusion_model." + k: v + 1 for k, v in net.state_dict().items()}
    average = {"model_ema.diffusion_model" + k.replace(".", ""): v for k, v in net.state_dict().items()}
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return raw | average | {
        "model_ema.decay": torch.tensor(0.9999), "model_ema.num_updates": torch.tensor(3), "betas": betas.float(),
        "first_stage_model.encoder.conv_in.weight": torch.zeros(8, 3, 3, 3),
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None]}


def check_compvis(program, folder):
    """Yields name, error, whether what is written back is equal."""
    # The class imports this package only to recognise a type of lists.
    listconfig = types.ModuleType("omegaconf.listconfig")
    listconfig.ListConfig = tuple
    sys.modules.setdefault("omegaconf", types.ModuleType("omegaconf"))
    sys.modules.setdefault("omegaconf.listconfig", listconfig)
    try:
        from ldm.modules.diffusionmodules.openaimodel import UNetModel
    except ModuleNotFoundError as missing:
        print(f"  {missing.name} is not installed: networks of CompVis are not compared")
        return
    for number, (name, arguments) in enumerate(compvis_arguments()):
        torch.manual_seed(number)
        net = others.fill_zeros(UNetModel(**arguments), number)
        randomize(net, number)
        x, t, context = torch.randn(2, arguments["in_channels"], 16, 16), torch.tensor([3, 870]), torch.randn(2, 7, 24)
        tensors = {"sample": x, "timestep": t, "encoder_hidden_states": context}
        for dtype in (torch.float32, torch.float16, torch.bfloat16):
            stored = {k: v.to(dtype) for k, v in net.state_dict().items()}
            exact = UNetModel(**arguments).eval()
            exact.load_state_dict({k: v.float() for k, v in stored.items()})
            with torch.no_grad():
                expected = exact(x, t, context)
            file = folder / f"compvis{number}.{'ckpt' if dtype == torch.float32 else 'safetensors'}"
            content = {k: v if v.dtype == torch.int64 or v.numel() == 1 else v.to(dtype) for k, v in compvis_file(net).items()}
            if dtype == torch.float32:
                torch.save({"state_dict": content, "global_step": 3}, file)
            else:
                save_file(content, file)
            settings = {"model": {"base_learning_rate": 1e-4, "target": "ldm.models.diffusion.ddpm.LatentDiffusion",
                                  "params": dict(SCHEDULE, unet_config={"target": "UNetModel", "params": arguments})}}
            file.with_suffix(".json").write_text(json.dumps(settings))
            got = error(denoise(program, file, tensors, folder), expected)
            back, there, again = (folder / f"compvis_{k}{number}{dtype}" for k in ("back", "there", "again"))
            kind = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}[dtype]
            run(program, "convert", "--model", file, "--to", "compvis", "--dtype", kind, "--output", back)
            run(program, "convert", "--model", file, "--to", "diffusers", "--dtype", kind, "--output", there)
            run(program, "convert", "--model", there, "--to", "compvis", "--dtype", kind, "--output", again)
            written = [{k.removeprefix("model.diffusion_model."): v for k, v in load_file(b / "model.safetensors").items()}
                       for b in (back, again)]
            same = all(equal(w, dict(stored)) for w in written)
            image = UNet2DConditionModel.from_pretrained(there / "unet").eval().float()
            with torch.no_grad():
                image_error = error(image(x, t, context).sample, expected)
            yield f"CompVis {name}, {kind}", max(got, image_error), same
