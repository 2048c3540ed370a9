#!/usr/bin/env python3
"""Training steps of the Python peers on the CPU, for scripts/bench_cpu.sh.

usage: python_eager.py --network ho|labml --batch N --steps N --threads N [--channels-last]

The same work as `ddpm train`: gather, t, noise, q(x_t|x_0), forward, MSE, backward, clipping, Adam (fused), moving average.
Networks: diffusers' UNet2DModel in Ho et al.'s CIFAR-10 shape; labml-nn's UNet. Prints the median seconds of a step.
"""
import argparse
import statistics
import time

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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=["ho", "labml"], required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--channels-last", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    net, predict = ho() if arguments.network == "ho" else labml()
    memory_format = torch.channels_last if arguments.channels_last else torch.contiguous_format
    net = net.to(memory_format=memory_format).train()
    parameters = list(net.parameters())
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.Adam(parameters, lr=2e-4, fused=True)
    alpha_bar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)
    data = torch.randint(0, 256, (1000, 3, 32, 32), dtype=torch.uint8)

    def step():
        index = torch.randint(0, len(data), (arguments.batch,))
        x0 = (data[index].float() / 127.5 - 1).contiguous(memory_format=memory_format)
        t = torch.randint(0, 1000, (arguments.batch,))
        noise = torch.randn_like(x0)
        a = alpha_bar[t][:, None, None, None]
        loss = F.mse_loss(predict(a.sqrt() * x0 + (1 - a).sqrt() * noise, t), noise)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        torch._foreach_lerp_(average, parameters, 1e-4)

    step()  # pays for set-up
    seconds = []
    for _ in range(arguments.steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    print(f"{statistics.median(seconds):.4f}")


if __name__ == "__main__":
    main()
