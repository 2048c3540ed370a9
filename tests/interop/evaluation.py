"""Compares `ddpm evaluate` with pytorch-fid 0.3.0, torch-fidelity 0.4.0 and clean-fid 0.1.35 on random weights of Inception.

usage: evaluation.py PROGRAM [--count 150] [--peers pytorch-fid,clean-fid,torch-fidelity]

Needs torch, torchvision, pytorch-fid, torch-fidelity, clean-fid and Pillow. Prints a line for each metric, and fails where a
difference is above 1e-3 of the value. Continuous integration does not run it: the packages are large.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np
import torch
from cleanfid.resize import build_resizer
from PIL import Image
from pytorch_fid import fid_score, inception
from torch_fidelity import calculate_metrics
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

TOLERANCE = 1e-3


def random_weights(path):
    """Weights under which activations keep their size, and norms that change it."""
    inception.load_state_dict_from_url = lambda *_, **__: {}
    load, torch.nn.Module.load_state_dict = torch.nn.Module.load_state_dict, lambda *_, **__: None
    net = inception.fid_inception_v3()
    torch.nn.Module.load_state_dict = load
    generator = torch.Generator().manual_seed(1)
    for name, p in net.state_dict().items():
        if name.endswith("conv.weight") or name == "fc.weight":
            p.copy_(torch.randn(p.shape, generator=generator) * (2 / (p.numel() / p.shape[0])) ** 0.5)
        elif name.endswith("running_var"):
            p.copy_(0.5 + torch.rand(p.shape, generator=generator))
        elif p.is_floating_point() and not name.endswith("bn.weight"):
            p.copy_(0.1 * torch.randn(p.shape, generator=generator))
    torch.save(net.state_dict(), path)
    return net.eval()


def write_images(folder, count, seed, contrast):
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for i in range(count):
        small = rng.normal(size=(6, 6, 3)) * contrast + rng.normal(size=3) * 20 + 128
        large = np.asarray(Image.fromarray(small.clip(0, 255).astype(np.uint8)).resize((48, 48), Image.BICUBIC))
        Image.fromarray((large + rng.integers(0, 20, large.shape)).clip(0, 255).astype(np.uint8)).save(folder / f"{i:04}.png")


def ours(program, work, resize, weights):
    command = [program, "evaluate", "--images", work / "a", "--data", work / "b", "--features", weights, "--resize", resize,
               "--metrics", "fid,kid,is,prdc", "--set", "data.cache=off", "--precision", "fp32", "--json", "--quiet"]
    output = subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout
    return json.loads(output)["results"][0]


def statistics(features):
    return np.mean(features, axis=0), np.cov(features, rowvar=False)


@torch.no_grad()
def features(net, work, folder, transform):
    result = []
    hook = net.avgpool.register_forward_hook(lambda *a: result.append(a[2].flatten(1).double().numpy()))
    for path in sorted((work / folder).iterdir()):
        net(transform(np.asarray(Image.open(path))))
    hook.remove()
    return np.concatenate(result)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--peers", default="pytorch-fid,clean-fid,torch-fidelity")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        weights = work / "inception.pth"
        net = random_weights(weights)
        write_images(work / "a", args.count, 1, 60)
        write_images(work / "b", args.count, 2, 70)
        failures = 0

        def compare(name, got, expected):
            nonlocal failures
            error = abs(got - expected) / max(abs(expected), 1e-12)
            failures += error > TOLERANCE
            print(f"{name:28} {got:14.8g} {expected:14.8g} {error:9.1e}", flush=True)

        def frechet(a, b):
            return fid_score.calculate_frechet_distance(*statistics(a), *statistics(b))

        resizer = build_resizer("clean")
        clean = lambda x: (torch.from_numpy(resizer(x).transpose(2, 0, 1))[None] - 128) / 128
        plain = lambda x: 2 * torch.nn.functional.interpolate(
            torch.from_numpy(x.copy()).permute(2, 0, 1)[None].float() / 255, (299, 299), mode="bilinear",
            align_corners=False) - 1
        for resize, transform in (("pytorch-fid", plain), ("clean-fid", clean)):
            if resize not in args.peers:
                continue
            expected = frechet(*(features(net, work, name, transform) for name in "ab"))
            compare(f"FID, {resize}", ours(args.program, work, resize, weights)["fid"], expected)

        if "torch-fidelity" not in args.peers:
            raise SystemExit(failures > 0)
        got = ours(args.program, work, "torch-fidelity", weights)
        theirs = calculate_metrics(
            input1=str(work / "a"), input2=str(work / "b"), fid=True, kid=True, isc=True, prc=True, cuda=False,
            verbose=False, batch_size=50, kid_subsets=1, kid_subset_size=args.count, isc_splits=10, samples_shuffle=False,
            feature_extractor_weights_path=str(weights), cache=False, save_cpu_ram=True,
            feature_extractor="inception-v3-compat", feature_layer_prc="2048")
        compare("FID, torch-fidelity", got["fid"], theirs["frechet_inception_distance"])
        compare("KID", got["kid"], theirs["kernel_inception_distance_mean"])
        compare("precision", got["precision"], theirs["precision"])
        compare("recall", got["recall"], theirs["recall"])
        print(f"{'IS (parts differ)':28} {got['is']:14.8g} {theirs['inception_score_mean']:14.8g}")
        raise SystemExit(failures > 0)


if __name__ == "__main__":
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    main()
