#!/usr/bin/env python3
"""The Python peers' side of scripts/bench_cpu.sh and scripts/bench_peers.sh.

usage: python_peer.py [--network ho|labml] [--device cpu|cuda] [--mode eager|compile] [--bf16] [--channels-last]
                      [--what train|sample|images] [--batch N] [--seconds S] [--threads N]

The same work as `ddpm`: a training step is gather, t, noise, q(x_t|x_0), forward, MSE, backward, clipping, Adam (fused), moving average;
a sampling step one evaluation and the DDPM update; `images` draws 64 images in 1000 steps and ends, to be timed as a whole process.
Networks: diffusers' UNet2DModel in Ho et al.'s CIFAR-10 shape; labml-nn's UNet. `compile` on a GPU is mode="reduce-overhead", the fastest
found there, with TORCHINDUCTOR_FORCE_LAYOUT_OPT=1 set by the caller. Prints one JSON line.
"""
import argparse
import contextlib
import json
import statistics
import sys
import time

START = time.perf_counter()
import torch
import torch.nn.functional as F


def ho():
    from diffusers import UNet2DModel
    net = UNet2DModel(sample_size=32, in_channels=3, out_channels=3, layers_per_block=2,
                      block_out_channels=(128, 256, 256, 256),
                      down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
                      up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
                      attention_head_dim=None, downsample_padding=0, flip_sin_to_cos=False, freq_shift=1,
                      norm_eps=1e-6, dropout=0.1)
    return net, lambda x, t: net(x, t, return_dict=False)[0]


def labml():
    from labml_nn.diffusion.ddpm.unet import UNet
    net = UNet(image_channels=3, n_channels=64, ch_mults=[1, 2, 2, 4], is_attn=[False, False, False, True])
    return net, net


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=["ho", "labml"], default="ho")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--mode", choices=["eager", "compile"], default="eager")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--what", choices=["train", "sample", "images"], default="train")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--threads", type=int, default=0)
    return parser.parse_args()


def main():
    a = parse()
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    cuda = a.device == "cuda"
    wait = torch.cuda.synchronize if cuda else lambda: None
    net, predict = ho() if a.network == "ho" else labml()
    memory_format = torch.channels_last if a.channels_last else torch.contiguous_format
    net = net.to(a.device, memory_format=memory_format).train(a.what == "train")
    if a.mode == "compile":
        predict = torch.compile(predict, mode="reduce-overhead" if cuda else None)
    cast = (lambda: torch.autocast("cuda", torch.bfloat16)) if a.bf16 else contextlib.nullcontext
    parameters = list(net.parameters())
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.Adam(parameters, lr=2e-4, fused=True)
    alpha_bar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0).to(a.device)
    data = torch.randint(0, 256, (4096, 3, 32, 32), dtype=torch.uint8, device=a.device)

    def train_step():
        x0 = data[torch.randint(0, len(data), (a.batch,), device=a.device)].float() / 127.5 - 1
        x0 = x0.contiguous(memory_format=memory_format)
        t = torch.randint(0, 1000, (a.batch,), device=a.device)
        noise = torch.randn_like(x0)
        s = alpha_bar[t][:, None, None, None]
        with cast():
            loss = F.mse_loss(predict(s.sqrt() * x0 + (1 - s).sqrt() * noise, t).float(), noise)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        torch._foreach_lerp_(average, parameters, 1e-4)

    x = torch.randn(64 if a.what == "images" else a.batch, 3, 32, 32, device=a.device)
    x = x.contiguous(memory_format=memory_format)
    times = torch.full((len(x),), 500, device=a.device)

    @torch.no_grad()
    def sample_step():
        nonlocal x
        with cast():
            e = predict(x, times).float()
        x0 = ((x - 0.9 * e) * 2.3).clamp(-1, 1)
        x = 0.01 * x0 + 0.99 * x + 0.01 * torch.randn_like(x)

    step = train_step if a.what == "train" else sample_step
    if a.what == "images":
        for _ in range(1000):
            step()
        wait()
        print(json.dumps({"seconds": time.perf_counter() - START}))
        return
    for _ in range(6 if cuda or a.mode == "compile" else 1):
        step()
    wait()
    first = time.perf_counter() - START
    start = time.perf_counter()
    step()
    wait()
    calls = max(1, int(a.seconds / 5 / (time.perf_counter() - start)))
    windows = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(calls):
            step()
        wait()
        windows.append((time.perf_counter() - start) / calls)
    seconds = statistics.median(windows)
    result = {"step_s": seconds, "per_second": a.batch / seconds, "seconds_to_steady_step": first, "torch": torch.__version__}
    if cuda:
        result["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
        result["gpu"] = torch.cuda.get_device_name()
    if "diffusers" in sys.modules:
        result["diffusers"] = sys.modules["diffusers"].__version__
    print(json.dumps(result))


if __name__ == "__main__":
    main()
