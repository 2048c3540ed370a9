#!/usr/bin/env python3
"""The Python peer's side of scripts/bench_stable_diffusion.sh: one evaluation of diffusers' UNet2DConditionModel.

usage: stable_diffusion_peer.py [--network sd-v1|sdxl-base] [--mode eager|compile] [--batch N] [--seconds S]

Random weights in bf16, channels_last, on a GPU. `compile` is mode="reduce-overhead", with TORCHINDUCTOR_FORCE_LAYOUT_OPT=1 set by the
caller. Latents are those of 512x512 pictures, or of 1024x1024 for XL. Prints one JSON line.
"""
import argparse
import json
import statistics
import time

START = time.perf_counter()
import diffusers
import torch
from diffusers import UNet2DConditionModel

NETWORKS = {
    "sd-v1": (64, 768, dict(cross_attention_dim=768, attention_head_dim=8)),
    "sdxl-base": (128, 2048, dict(
        block_out_channels=(320, 640, 1280), layers_per_block=2, cross_attention_dim=2048, attention_head_dim=(5, 10, 20),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), transformer_layers_per_block=(1, 2, 10),
        use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816)),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=NETWORKS, default="sd-v1")
    parser.add_argument("--mode", choices=["eager", "compile"], default="compile")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4)
    a = parser.parse_args()
    side, width, options = NETWORKS[a.network]
    like = dict(device="cuda", dtype=torch.bfloat16)
    torch.backends.cudnn.benchmark = True
    with torch.device("cuda"):
        net = UNet2DConditionModel(sample_size=side, **options)
    net = net.to(torch.bfloat16).to(memory_format=torch.channels_last).eval()
    x = torch.randn(a.batch, 4, side, side, **like).contiguous(memory_format=torch.channels_last)
    t = torch.full((a.batch,), 500, device="cuda")
    context = torch.randn(a.batch, 77, width, **like)
    added = None
    if a.network == "sdxl-base":
        added = {"text_embeds": torch.randn(a.batch, 1280, **like), "time_ids": torch.full((a.batch, 6), 1024.0, **like)}
    predict = torch.compile(net, mode="reduce-overhead") if a.mode == "compile" else net

    @torch.no_grad()
    def step():
        predict(x, t, context, added_cond_kwargs=added, return_dict=False)

    for _ in range(5):
        step()
    torch.cuda.synchronize()
    first = time.perf_counter() - START
    start = time.perf_counter()
    step()
    torch.cuda.synchronize()
    calls = max(1, int(a.seconds / 5 / (time.perf_counter() - start)))
    windows = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(calls):
            step()
        torch.cuda.synchronize()
        windows.append((time.perf_counter() - start) / calls)
    print(json.dumps({"step_s": statistics.median(windows), "per_second": a.batch / statistics.median(windows),
                      "seconds_to_steady_step": first, "peak_gib": torch.cuda.max_memory_allocated() / 2**30,
                      "torch": torch.__version__, "diffusers": diffusers.__version__, "gpu": torch.cuda.get_device_name()}))


if __name__ == "__main__":
    main()
