#!/usr/bin/env python3
"""Compares `ddpm sample` and `ddpm inpaint` with the pipelines of diffusers on small models with random weights, from the
prompt to the picture, in float32 on the CPU. Both begin with the noise of torch.randn. Prints the largest difference of
each picture relative to its largest value.

    tests/interop/pipelines.py build/release/ddpm [NAME ...]     # only the cases whose names contain one of these

tests/interop/parity.sh prepares a Python environment, to which transformers==5.24.0 and, for the vocabulary, openai-clip==1.0.1
(--no-deps) are added. Continuous integration does not run it."""

import gzip
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import diffusers
import numpy as np
import torch
import transformers
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_img2img
from PIL import Image
from safetensors.torch import load_file, save_file

from autoencoder import compvis_names

PROMPT = "a red fox in the snow, highly detailed"
NEGATIVE = "blurry"
SIZE = (48, 32)  # width, height; the autoencoder halves once
SCHEDULE = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1)


def vocabulary(folder):
    """Writes vocab.json and merges.txt of CLIP, from the file in OpenAI's package."""
    package = pathlib.Path(importlib.util.find_spec("clip").origin).parent
    lines = gzip.open(package / "bpe_simple_vocab_16e6.txt.gz").read().decode().split("\n")
    merges = lines[1 : 49152 - 256 - 2 + 1]
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    pieces = [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]
    pieces += [p + "</w>" for p in pieces] + ["".join(m.split()) for m in merges]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({p: i for i, p in enumerate(pieces)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    return folder


def shaken(model, seed):
    """Nothing is zero, as in a trained network."""
    generator = torch.Generator().manual_seed(seed)
    for p in model.parameters():
        p.data += 0.03 * torch.randn(p.shape, generator=generator)
    return model.eval()


def text_encoder(seed, activation, projection=None, layers=3):
    config = transformers.CLIPTextConfig(
        vocab_size=49408, hidden_size=64, intermediate_size=96, num_hidden_layers=layers, num_attention_heads=1,
        hidden_act=activation, projection_dim=projection or 512, bos_token_id=49406, eos_token_id=49407, pad_token_id=1)
    kind = transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel
    return shaken(kind(config), seed)


def autoencoder(seed, scale=0.18215):
    return shaken(diffusers.AutoencoderKL(
        block_out_channels=(32, 64), layers_per_block=1, down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2, sample_size=64, scaling_factor=scale), seed)


def network(seed, channels=4, context=64, linear=False, **more):
    return shaken(diffusers.UNet2DConditionModel(
        sample_size=32, in_channels=channels, out_channels=4, block_out_channels=(64, 128), layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=context, use_linear_projection=linear, attention_head_dim=[1, 2] if linear else 8, **more), seed)


def scheduler(name, prediction="epsilon", **more):
    common = dict(SCHEDULE, prediction_type=prediction, **more)
    if name in ("DDIMScheduler", "PNDMScheduler"):
        common["set_alpha_to_one"] = False
    if name == "DDIMScheduler":
        common["clip_sample"] = False
    if name == "PNDMScheduler":
        common["skip_prk_steps"] = True
    return getattr(diffusers, name)(**common)


def pipeline(kind, vocab, schedule, **parts):
    tokenizer = transformers.CLIPTokenizer(str(vocab / "vocab.json"), str(vocab / "merges.txt"), model_max_length=77)
    common = dict(tokenizer=tokenizer, scheduler=schedule, **parts)
    if "XL" in kind:
        second = transformers.CLIPTokenizer(str(vocab / "vocab.json"), str(vocab / "merges.txt"), pad_token="!",
                                            model_max_length=77)
        return getattr(diffusers, kind)(tokenizer_2=second, **common)
    return getattr(diffusers, kind)(safety_checker=None, feature_extractor=None, requires_safety_checker=False, **common)


class Program:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def __call__(self, command, *arguments):
        output = self.folder / "out.safetensors"
        result = subprocess.run([self.program, command, *map(str, arguments), "--output", output, "--overwrite", "--device",
                                 "cpu", "--quiet"], capture_output=True, text=True)
        if result.returncode != 0:
            raise RuntimeError(f"ddpm {command} {arguments}: {result.stderr}")
        return load_file(output)["images"]


def options(steps=8, guidance=5.0, seed=3):
    ours = ["--steps", steps, "--guidance", guidance, "--seed", seed]
    theirs = dict(num_inference_steps=steps, guidance_scale=guidance, generator=torch.Generator().manual_seed(seed))
    return ours, theirs


def picture_of(pipe, **arguments):
    pipe.set_progress_bar_config(disable=True)
    with torch.no_grad():
        return pipe(output_type="pt", **arguments).images * 2 - 1


def error(ours, theirs):
    return float((ours.clamp(-1, 1) - theirs).abs().max() / theirs.abs().max())


def version_1(vocab, schedule, **more):
    return pipeline("StableDiffusionPipeline", vocab, schedule, vae=autoencoder(1), text_encoder=text_encoder(2, "quick_gelu"),
                    unet=network(3, **more))


def text_to_image(ddpm, pipe, model, *extra, prompt=PROMPT, negative=NEGATIVE, **arguments):
    ours, theirs = options()
    if negative is not None:
        ours += ["--negative", negative]
        theirs["negative_prompt"] = negative
    got = ddpm("sample", "--model", model, "--prompt", prompt, "--image-size", f"{SIZE[0]}x{SIZE[1]}", "--rng", "torch", *ours,
               *extra)
    return error(got, picture_of(pipe, prompt=prompt, width=SIZE[0], height=SIZE[1], **theirs, **arguments))


def open_clip_names(encoder, prefix):
    """Names of OpenCLIP's text tower, written from its TextTransformer."""
    result, state = {}, {k.removeprefix("text_model."): v for k, v in encoder.state_dict().items()}
    outer = {"embeddings.token_embedding.weight": "token_embedding.weight",
             "embeddings.position_embedding.weight": "positional_embedding",
             "final_layer_norm.weight": "ln_final.weight", "final_layer_norm.bias": "ln_final.bias"}
    inner = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
             "self_attn.out_proj": "attn.out_proj"}
    for name, tensor in state.items():
        if name in outer:
            result[outer[name]] = tensor
        elif name == "text_projection.weight":
            result["text_projection"] = tensor.T
        elif "q_proj" in name:
            layer, leaf = name.split(".")[2], name.split(".")[-1]
            parts = [state[name.replace("q_proj", f"{x}_proj")] for x in "qkv"]
            result[f"transformer.resblocks.{layer}.attn.in_proj_{leaf}"] = torch.cat(parts)
        elif "k_proj" not in name and "v_proj" not in name and name.startswith("encoder."):
            _, _, layer, rest = name.split(".", 3)
            module, leaf = rest.rsplit(".", 1)
            result[f"transformer.resblocks.{layer}.{inner[module]}.{leaf}"] = tensor
    return {prefix + k: v.contiguous() for k, v in result.items()}


def single_file(ddpm, pipe, folder, path, texts):
    """All parts in one file, as CompVis and Stability AI publish them."""
    compvis = path.with_suffix(".unet")
    subprocess.run([ddpm.program, "convert", "--model", folder, "--to", "compvis", "--output", compvis, "--quiet"], check=True,
                   stdout=subprocess.DEVNULL)
    file = next(compvis.rglob("*.safetensors"))
    state = {k if k.startswith("model.") else "model.diffusion_model." + k: v for k, v in load_file(file).items()}
    state.update(compvis_names(pipe.vae))
    for text in texts:
        state.update(text)
    save_file({k: v.contiguous().clone() for k, v in state.items()}, path)
    return path


def case_samplers(ddpm, folder, vocab):
    for name in ["DDIMScheduler", "PNDMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler",
                 "UniPCMultistepScheduler", "HeunDiscreteScheduler"]:
        pipe = version_1(vocab, scheduler(name))
        pipe.save_pretrained(folder / name)
        yield f"version 1, {name}", text_to_image(ddpm, pipe, folder / name)


def case_karras(ddpm, folder, vocab):
    pipe = version_1(vocab, scheduler("DPMSolverMultistepScheduler", use_karras_sigmas=True))
    pipe.save_pretrained(folder / "karras")
    yield "version 1, DPM++ 2M Karras", text_to_image(ddpm, pipe, folder / "karras")
    text = {"cond_stage_model.transformer." + ("" if k.startswith("text_model.") else "text_model.") + k: v
            for k, v in pipe.text_encoder.state_dict().items()}
    path = single_file(ddpm, pipe, folder / "karras", folder / "karras.safetensors", [text])
    yield "version 1, single file", text_to_image(ddpm, pipe, path)
    yield "version 1, no negative prompt", text_to_image(ddpm, pipe, path, negative=None)


def case_prediction(ddpm, folder, vocab):
    pipe = version_1(vocab, scheduler("DDIMScheduler", prediction="v_prediction", rescale_betas_zero_snr=True,
                                      timestep_spacing="trailing"))
    pipe.save_pretrained(folder / "velocity")
    yield "velocity, zero terminal SNR", text_to_image(ddpm, pipe, folder / "velocity")
    yield "the same with rescaled guidance", text_to_image(ddpm, pipe, folder / "velocity", "--guidance-rescale", 0.7,
                                                           guidance_rescale=0.7)


def case_version_2(ddpm, folder, vocab):
    encoder = text_encoder(5, "gelu", layers=4)
    used = text_encoder(5, "gelu", layers=3)  # diffusers' folder lacks the last layer
    used.load_state_dict({k: v for k, v in encoder.state_dict().items() if k in used.state_dict()})
    tokenizer = dict(vae=autoencoder(1), text_encoder=used, unet=network(3, linear=True))
    pipe = pipeline("StableDiffusionPipeline", vocab, scheduler("DPMSolverMultistepScheduler", use_karras_sigmas=True), **tokenizer)
    pipe.tokenizer = transformers.CLIPTokenizer(str(vocab / "vocab.json"), str(vocab / "merges.txt"), pad_token="!",
                                                model_max_length=77)
    pipe.save_pretrained(folder / "v2")
    yield "version 2, folder", text_to_image(ddpm, pipe, folder / "v2")
    path = single_file(ddpm, pipe, folder / "v2", folder / "v2.safetensors",
                       [open_clip_names(encoder, "cond_stage_model.model.")])
    yield "version 2, single file", text_to_image(ddpm, pipe, path, "--set", "model.attention_head_width=64")


def case_xl(ddpm, folder, vocab):
    first, second = text_encoder(6, "quick_gelu"), text_encoder(7, "gelu", projection=96)
    unet = network(8, context=128, linear=True, addition_embed_type="text_time", addition_time_embed_dim=256,
                   projection_class_embeddings_input_dim=96 + 6 * 256)
    schedule = scheduler("EulerDiscreteScheduler", timestep_spacing="leading")
    pipe = pipeline("StableDiffusionXLPipeline", vocab, schedule, vae=autoencoder(9, scale=0.13025), text_encoder=first,
                    text_encoder_2=second, unet=unet, force_zeros_for_empty_prompt=True)
    pipe.save_pretrained(folder / "xl")
    yield "XL", text_to_image(ddpm, pipe, folder / "xl")
    yield "XL, no negative prompt", text_to_image(ddpm, pipe, folder / "xl", negative=None)
    yield "XL, empty negative prompt", text_to_image(ddpm, pipe, folder / "xl", negative="")
    text = {"conditioner.embedders.0.transformer." + ("" if k.startswith("text_model.") else "text_model.") + k: v
            for k, v in first.state_dict().items()}
    path = single_file(ddpm, pipe, folder / "xl", folder / "xl.safetensors",
                       [text, open_clip_names(second, "conditioner.embedders.1.model.")])
    yield "XL, single file", text_to_image(ddpm, pipe, path, "--sampler", "euler", "--set", "model.attention_head_width=64")


def pictures(folder):
    generator = np.random.default_rng(0)
    picture = Image.fromarray(generator.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8))
    mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    mask[8:24, 10:31] = 255
    picture.save(folder / "picture.png")
    Image.fromarray(mask).save(folder / "mask.png")
    return picture, Image.fromarray(mask)


def case_image_to_image(ddpm, folder, vocab):
    picture, _ = pictures(folder)
    # Both take the mean of the latents, so that no noise is drawn for them.
    pipeline_stable_diffusion_img2img.retrieve_latents = lambda output, **_: output.latent_dist.mode()
    for name in ["DDIMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler"]:
        first = version_1(vocab, scheduler(name))
        first.save_pretrained(folder / ("i2i" + name))
        pipe = diffusers.StableDiffusionImg2ImgPipeline(**first.components, requires_safety_checker=False)
        ours, theirs = options(steps=10)
        got = ddpm("sample", "--model", folder / ("i2i" + name), "--prompt", PROMPT, "--negative", NEGATIVE, "--image-size",
                   f"{SIZE[0]}x{SIZE[1]}", "--rng", "torch", "--init-image", folder / "picture.png", "--strength", 0.7, *ours)
        yield f"image to image, {name}", error(got, picture_of(
            pipe, prompt=PROMPT, negative_prompt=NEGATIVE, image=picture, strength=0.7, **theirs))


def case_inpaint(ddpm, folder, vocab):
    from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_inpaint as module
    module.retrieve_latents = lambda output, **_: output.latent_dist.mode()
    picture, mask = pictures(folder)
    for kind, channels in [("9 channels", 9), ("4 channels", 4)]:
        first = version_1(vocab, scheduler("DDIMScheduler"), channels=channels)
        model = folder / f"inpaint{channels}"
        first.save_pretrained(model)
        pipe = diffusers.StableDiffusionInpaintPipeline(**first.components, requires_safety_checker=False)
        ours, theirs = options()
        size = ["--image-size", f"{SIZE[0]}x{SIZE[1]}"]
        jumps = ["--repeats", 1] if channels == 4 else []
        got = ddpm("inpaint", folder / "picture.png", "--mask", folder / "mask.png", "--model", model, "--prompt", PROMPT,
                   "--negative", NEGATIVE, *size, "--rng", "torch", *jumps, *ours)
        yield f"inpainting, {kind}", error(got, picture_of(
            pipe, prompt=PROMPT, negative_prompt=NEGATIVE, image=picture, mask_image=mask, strength=1.0, width=SIZE[0],
            height=SIZE[1], **theirs))


def main():
    program, names = os.path.abspath(sys.argv[1]), sys.argv[2:]
    worst = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        ddpm, vocab = Program(program, folder), vocabulary(folder / "vocabulary")
        for name, case in [(n, f) for n, f in globals().items() if n.startswith("case_")]:
            if names and not any(n in name for n in names):
                continue
            for what, value in case(ddpm, folder, vocab):
                print(f"{what:45} {value:.1e}", flush=True)
                worst = max(worst, value)
    print(f"largest: {worst:.1e}; limit 1e-3")
    sys.exit(worst > 1e-3)


if __name__ == "__main__":
    main()
