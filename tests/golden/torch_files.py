"""Writes those files of tests/fuzz/corpus that PyTorch and the safetensors package make. The readers in
src/formats must understand them.

    python tests/golden/torch_files.py     # torch 2.11, safetensors 0.8, numpy
"""

import collections
import pathlib
import zipfile

import torch
from safetensors.torch import save_file

CORPUS = pathlib.Path(__file__).resolve().parents[1] / "fuzz/corpus"


def values(shape, dtype):
    count = int(torch.tensor(shape).prod()) if shape else 1
    return (torch.arange(count) * 0.5 - 1).to(dtype).reshape(shape)


def state_dict():
    whole = values((3, 4), torch.float32)
    return collections.OrderedDict(
        plain=values((2, 3), torch.float32),
        transposed=whole.t(),  # [4,3], strides 1 and 4
        part=whole[1:, 1:3],  # [2,2] in the same storage, at offset 5
        half=values((3,), torch.float16),
        brain=values((3,), torch.bfloat16),
        double=values((2,), torch.float64),
        long=values((2,), torch.int64),
        byte=torch.tensor([0, 255], dtype=torch.uint8),
        flag=torch.tensor([True, False]),
        scalar=values((), torch.float32),
        empty=torch.zeros(3, 0),
        parameter=torch.nn.Parameter(values((2,), torch.float32)),
        channels_last=values((2, 3, 2, 2), torch.float32).contiguous(memory_format=torch.channels_last),
    )


def torch_files(folder):
    torch.save(state_dict(), folder / "state_dict.pt")
    torch.save(state_dict(), folder / "protocol4.pt", pickle_protocol=4)
    layer = torch.nn.Conv2d(1, 2, 3)
    torch.nn.init.ones_(layer.weight), torch.nn.init.zeros_(layer.bias)
    average = {name: tensor * 2 for name, tensor in layer.state_dict().items()}
    optimiser = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 1, 3, 3)).sum().backward()
    optimiser.step()
    with torch.no_grad():
        layer.weight.fill_(1), layer.bias.fill_(0)
    torch.save(
        {"net_model": layer.state_dict(), "ema_model": average, "optim": optimiser.state_dict(), "step": 7},
        folder / "training.pt",
    )


class Malicious:
    def __reduce__(self):
        import os

        return os.system, ("touch /tmp/ddpm-was-here",)


def main():
    for name in ("zip", "pickle", "torch_file", "safetensors", "json"):
        (CORPUS / name).mkdir(parents=True, exist_ok=True)
    folder = CORPUS / "torch_file"
    torch_files(folder)
    torch.save({"weight": torch.ones(1), "x": Malicious()}, folder / "malicious.pt")
    torch.save({"w": torch.ones(2)}, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    for name in ("state_dict", "protocol4", "training", "malicious"):
        kept = name if name == "malicious" else f"valid_{name}"  # PyTorch names the folder in it after the file
        (folder / f"{name}.pt").rename(folder / f"{kept}.pt")
        with zipfile.ZipFile(folder / f"{kept}.pt") as archive:
            (CORPUS / "pickle" / f"{kept}.pkl").write_bytes(archive.read(f"{name}/data.pkl"))
    with zipfile.ZipFile(CORPUS / "zip/deflated.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a/data.pkl", (1980, 1, 1, 0, 0, 0)), b"0" * 1000, zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(CORPUS / "zip/valid_stored.zip", "w") as archive:
        for name, content in (("a/data.pkl", b"N."), ("a/empty", b""), ("a/data/0", b"12345678")):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
        archive.comment = b"with a comment"
    save_file({"a": values((2, 3), torch.float32), "b": values((2,), torch.bfloat16)},
              CORPUS / "safetensors/valid_other.bin", metadata={"format": "pt"})
    (CORPUS / "json/valid_config.json").write_text('{"block_out_channels": [32, 64], "act_fn": "silu", "dropout": null}\n')
    (CORPUS / "json/valid_index.json").write_text('{"metadata": {"total_size": 8}, "weight_map": {"a": "m-00001.safetensors"}}\n')


if __name__ == "__main__":
    main()
