#!/usr/bin/env python3
"""usage: read_formats.py DDPM

Trains a small network with the program DDPM, samples from it, and reads every file that this wrote as docs/formats/
describes it, using only Python's standard library. Fails if a page is wrong.
"""
import hashlib
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib

SIZES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
CONFIG = {
    "run": {"threads": 1, "name": "a"},
    "model": {"base_width": 32, "width_multipliers": [1, 2], "blocks_per_level": 1, "attention": [False, True], "groups": 32,
              "final_groups": 32},
    "diffusion": {"timesteps": 20},
    "data": {"source": "folder", "path": "images", "height": 8, "width": 8},
    "training": {"steps": 6, "batch_size": 4, "warmup_steps": 1, "log_every": 1, "sample_every": 3, "sample_steps": 3,
                 "sample_count": 5, "checkpoint_every": 2, "keep_checkpoints": 2, "keep_best": True},
}


def same(found, expected, what):
    if found != expected:
        raise SystemExit(f"{what}: {found!r}, expected {expected!r}")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def product(shape):
    total = 1
    for size in shape:
        total *= size
    return total


# --- weights.md -----------------------------------------------------------------------------------------------
def read_safetensors(path):
    """The metadata, and {name: (dtype, shape, bytes)}."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    text = data[8:8 + length].decode()
    same(len(text) % 8, 0, f"{path}: length of the header modulo 8")
    header = json.loads(text)
    metadata = {}
    if "__metadata__" in header:
        same(next(iter(header)), "__metadata__", f"{path}: first key")
        metadata = header.pop("__metadata__")
    same(" " in text.rstrip(" ").replace(json.dumps(metadata, separators=(",", ":")), ""), False, f"{path}: white space")
    tensors, position = {}, 0
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        same(begin, position, f"{path}: {name} begins")
        same(end - begin, SIZES[entry["dtype"]] * product(entry["shape"]), f"{path}: bytes of {name}")
        tensors[name] = entry["dtype"], entry["shape"], data[8 + length + begin:8 + length + end]
        position = end
    same(len(data), 8 + length + position, f"{path}: size")
    order = sorted(tensors, key=lambda name: (-SIZES[tensors[name][0]], name.encode()))
    same(list(tensors), order, f"{path}: order")
    return metadata, tensors


def check_weights(path, layout=None, dtype="F32"):
    metadata, tensors = read_safetensors(path)
    same(metadata["format"], "pt", f"{path}: format")
    same(metadata.get("ddpm.layout"), layout, f"{path}: layout")
    config = json.loads(metadata["ddpm.config"])
    same(list(config), ["model", "diffusion", "data"], f"{path}: sections")
    same(list(config["data"]), ["height", "width", "channels", "range"], f"{path}: data")
    same(config["model"]["base_width"], 32, f"{path}: base width")
    same({t for t, _, _ in tensors.values()}, {dtype}, f"{path}: types")
    return tensors


# --- checkpoint.md, optimizer.md ------------------------------------------------------------------------------
def check_checkpoint(folder, step, config):
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    same(list(manifest), ["version", "files"], "manifest")
    same(manifest["version"], 1, "manifest: version")
    names = [entry["name"] for entry in manifest["files"]]
    same(names, ["ema.safetensors", "model.safetensors", "optimizer.safetensors", "state.json"], "manifest: names")
    same(sorted(p.name for p in folder.iterdir()), sorted(["MANIFEST.json"] + names), f"{folder}")
    for entry in manifest["files"]:
        content = (folder / entry["name"]).read_bytes()
        same(entry, {"name": entry["name"], "size": len(content), "sha256": sha256(content)}, "manifest: entry")
    weights = check_weights(folder / "model.safetensors")
    same(weights["conv_in.weight"][1], [32, 1, 3, 3], "shape of a convolution")
    same({n: t[:2] for n, t in check_weights(folder / "ema.safetensors").items()},
         {n: t[:2] for n, t in weights.items()}, "names of the average")
    metadata, moments = read_safetensors(folder / "optimizer.safetensors")
    same(metadata, {"format": "pt"}, "metadata of the moments")
    same({n: t[:2] for n, t in moments.items()},
         {p + n: t[:2] for n, t in weights.items() for p in ("exp_avg.", "exp_avg_sq.")}, "names of the moments")
    state = json.loads((folder / "state.json").read_text())
    same(list(state), ["version", "step", "images_seen", "loss", "data_fingerprint", "config"], "state: keys")
    same((state["version"], state["step"], state["images_seen"]), (1, step, 4 * step), "state: counters")
    same(state["config"], config, "state: config")
    return state


def check_run(run):
    config = json.loads((run / "config.json").read_text())
    same(list(config), ["run", "model", "diffusion", "data", "training", "sampling", "evaluation"], "config.json")
    environment = json.loads((run / "environment.json").read_text())
    same(list(environment), ["command_line", "started", "program", "git_revision", "libtorch", "cuda", "compiler", "device",
                             "data_source", "data_images", "data_fingerprint"], "environment.json")
    same(bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", environment["started"])), True, "environment: started")
    same((run / "lock").exists(), False, "lock after the end")
    folders = sorted(p.name for p in (run / "checkpoints").iterdir() if p.is_dir())
    best = (run / "checkpoints/best").read_text()
    same((run / "checkpoints/latest").read_text(), "step_00000006\n", "latest")
    same(folders, sorted({"step_00000004", "step_00000006", best.strip()}), "checkpoints")
    states = {name: check_checkpoint(run / "checkpoints" / name, int(name[5:]), config) for name in folders}
    same(min(states, key=lambda name: states[name]["loss"]) + "\n", best, "best")
    same({s["data_fingerprint"] for s in states.values()}, {environment["data_fingerprint"]}, "fingerprint")
    check_metrics(run, states)
    return environment["data_fingerprint"]


# --- metrics.md -----------------------------------------------------------------------------------------------
def check_metrics(run, states):
    text = (run / "metrics.jsonl").read_text()
    same(text[-1], "\n", "end of the metrics")
    lines = [json.loads(line) for line in text.splitlines()]
    same([line["step"] for line in lines], [1, 2, 3, 4, 5, 6], "steps")
    same([line["images"] for line in lines], [4, 8, 12, 16, 20, 24], "images")
    for line in lines:
        same(list(line), ["step", "images", "loss", "grad_norm", "lr", "images_per_second", "elapsed_s", "saving_s",
                          "skipped_steps"], "keys of the metrics")
    check_events(run, lines)
    mean = (lines[4]["loss"] + lines[5]["loss"]) / 2
    same(abs(states["step_00000006"]["loss"] / mean - 1) < 1e-9, True, "state: loss is the mean since the last checkpoint")


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def read_records(data):
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        for at, part in ((8, data[:8]), (12 + length, data[12:12 + length])):
            crc = crc32c(part)
            same(struct.unpack("<I", data[at:at + 4])[0], ((crc >> 15 | crc << 17) + 0xa282ead8) % 2**32, "checksum of a record")
        yield data[12:12 + length]
        data = data[16 + length:]


def read_message(data):
    """The fields of a protocol buffer: (number, int or bytes)."""
    def varint():
        nonlocal at
        value = shift = 0
        while True:
            value |= (data[at] & 0x7f) << shift
            shift, at = shift + 7, at + 1
            if data[at - 1] < 0x80:
                return value
    at, fields = 0, []
    while at < len(data):
        key = varint()
        value = varint() if key & 7 == 0 else None
        if value is None:
            length = {1: 8, 5: 4}.get(key & 7) or varint()
            value, at = data[at:at + length], at + length
        fields.append((key >> 3, value))
    return fields


def check_events(run, lines):
    (file,) = run.glob("events.out.tfevents.*.ddpm")
    events = [read_message(record) for record in read_records(file.read_bytes())]
    same([dict(events[0])[3], dict(events[1])], [b"brain.Event:2", {**dict(events[1]), 2: 1, 7: b"\x08\x01"}], "first events")
    scalars, images, texts = {}, {}, {}
    for event in events[2:]:
        step = dict(event).get(2, 0)
        for _, value in read_message(dict(event)[5]):
            value = dict(read_message(value))
            tag = value[1].decode()
            if 2 in value:
                scalars.setdefault(step, {})[tag] = value[2]
            elif 4 in value:
                images[step] = dict(read_message(value[4]))[4]
            else:
                texts[tag] = dict(read_message(value[8]))[8].decode()
    same(scalars, {line["step"]: {key: struct.pack("<f", number) for key, number in line.items()
                                  if key != "step" and number is not None} for line in lines}, "scalars of the events")
    same(images, {int(file.stem[5:]): file.read_bytes() for file in (run / "samples").glob("*.png")}, "images of the events")
    same(json.loads(texts["config"].removeprefix("```json").removesuffix("```\n")), json.loads((run / "config.json").read_text()),
         "config of the events")


# --- images.md, npz.md ----------------------------------------------------------------------------------------
def read_png(path):
    """Returns width, height, texts and rows of bytes. The rows of the file may use any filter."""
    data = path.read_bytes()
    same(data[:8], b"\x89PNG\r\n\x1a\n", f"{path}: signature")
    texts, pixels, kinds, at = {}, b"", [], 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        same(struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0], zlib.crc32(kind + body), f"{path}: checksum")
        kinds.append(kind)
        if kind == b"IHDR":
            width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            same((bits, colour, interlaced), (8, 0, 0), f"{path}: 8 bits, grey, not interlaced")
        elif kind == b"tEXt":
            same(b"IDAT" in kinds, False, f"{path}: text after pixels")
            keyword, text = body.split(b"\0")
            texts[keyword.decode("latin-1")] = text.decode("latin-1")
        elif kind == b"IDAT":
            pixels += body
        at += 12 + length
    same(kinds[-1], b"IEND", f"{path}: last chunk")
    return width, height, texts, unfilter(zlib.decompress(pixels), width)


def unfilter(data, width):
    rows, above = [], bytes(width)
    for at in range(0, len(data), width + 1):
        row = bytearray(data[at + 1:at + 1 + width])
        for x in range(width):
            left, up, corner = row[x - 1] if x else 0, above[x], above[x - 1] if x else 0
            guess = left + up - corner
            paeth = min((left, up, corner), key=lambda v: abs(guess - v))
            row[x] = (row[x] + (0, left, up, (left + up) // 2, paeth)[data[at]]) & 255
        rows.append(bytes(row))
        above = row
    return rows


def to_byte(x):
    return min(max(int((127.5 * x + 127.5 + 0.5) // 1), 0), 255)


def check_images(folder, weights):
    _, tensors = read_safetensors(folder / "s.safetensors")
    dtype, shape, data = tensors["images"]
    same((dtype, shape), ("F32", [3, 1, 8, 8]), "images")
    values = struct.unpack(f"<{len(data) // 4}f", data)
    same(tensors["trajectory"][:2], ("F32", [5, 3, 1, 8, 8]), "trajectory")
    same(tensors["trajectory"][2][-len(data):], data, "end of the trajectory")
    steps = struct.unpack("<5q", tensors["timesteps"][2])
    same(list(steps), sorted(steps, reverse=True), "timesteps")
    # The last bit may differ: batches of another size may round differently, and so may float and double.
    near = lambda byte, x: abs(byte - to_byte(x)) <= 1
    for i in range(3):
        width, height, texts, rows = read_png(folder / f"pngs/{i:06}.png")
        same((width, height), (8, 8), "size of a sample")
        same(texts, {"Software": "ddpm", "seed": "7", "index": str(i), "sampler": "ddpm", "steps": "5", "weights": "ema",
                     "model_sha256": sha256(weights.read_bytes())}, "texts")
        same(all(near(b, x) for b, x in zip(b"".join(rows), values[64 * i:])), True, "pixels")
    width, height, texts, rows = read_png(folder / "grid.png")
    scale = next(s for s in range(1, 17) if s == 16 or 2 * (8 * s + 2) + 2 >= 512)
    same((width, height, texts["index"]), (2 * (8 * scale + 2) + 2,) * 2 + ("0",), "grid")
    same((rows[0][0], near(rows[2][2], values[0])), (48, True), "pixels of the grid")
    with zipfile.ZipFile(folder / "s.npz") as archive:
        same(archive.namelist(), ["arr_0.npy"], "npz")
        same(archive.infolist()[0].compress_type, zipfile.ZIP_STORED, "npz: method")
        array = archive.read("arr_0.npy")
    length = struct.unpack("<H", array[8:10])[0]
    same((array[:8], (10 + length) % 64), (b"\x93NUMPY\x01\x00", 0), "npy")
    same(array[10:10 + length].decode().rstrip(),
         "{'descr': '|u1', 'fortran_order': False, 'shape': (3,8,8,1,), }", "npy: dictionary")
    same(all(near(b, x) for b, x in zip(array[10 + length:], values)), True, "npy: values")
    same(len(array), 10 + length + 3 * 64, "npy: size")


# --- cache.md -------------------------------------------------------------------------------------------------
def check_cache(folder, fingerprint):
    path, = folder.glob("cache/ddpm/*.safetensors")
    metadata, tensors = read_safetensors(path)
    same(sorted(metadata), ["fingerprint", "info", "key", "version"], "cache: metadata")
    same((metadata["version"], metadata["key"]), ("3", path.stem), "cache: version and key")
    same(json.loads(metadata["info"]), {"height": 8, "width": 8, "class_names": ["cats", "dogs"], "empty_classes": [],
                                            "unlabelled": "", "passed_over": ""}, "cache: info")
    same(tensors["images"][:2], ("U8", [5, 8, 8, 1]), "cache: images")
    same(tensors["images"][2][::64], bytes([0, 20, 40, 60, 80]), "cache: pixels")
    same(struct.unpack("<5q", tensors["labels"][2]), (0, 0, 0, 1, 1), "cache: labels")
    content = b"ddpm images 1 5 8 8 1 8 8" + tensors["images"][2] + tensors["labels"][2]
    same((sha256(content), fingerprint), (metadata["fingerprint"],) * 2, "cache: fingerprint")


def write_images(folder):
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    for i, name in enumerate(["cats/a", "cats/b", "cats/c", "dogs/a", "dogs/b"]):
        path = folder / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = b"".join(b"\0" + bytes([20 * i + 0, *range(1 + i, 8 + i)]) for _ in range(8))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)) +
                         chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def main(program):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_images(folder)
        (folder / "tiny.json").write_text(json.dumps(CONFIG))
        environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
        ddpm = lambda *arguments: subprocess.run([program, *arguments, "--quiet"], cwd=folder, env=environment, check=True,
                                                 stdout=subprocess.DEVNULL)
        ddpm("train", "--config", "tiny.json")
        sample = ("sample", "--model", "runs/a", "--seed", "7", "--steps", "5", "--count", "3", "--batch-size", "1", "--threads", "1")
        ddpm(*sample, "--output", "pngs")
        ddpm(*sample, "--output", "grid.png", "--grid")
        ddpm(*sample, "--output", "s.npz", "--format", "npz")
        ddpm(*sample, "--output", "s.safetensors", "--format", "safetensors", "--trajectory")
        ddpm("convert", "--model", "runs/a", "--to", "ho", "--dtype", "bf16", "--output", "ho")
        check_cache(folder, check_run(folder / "runs/a"))
        check_images(folder, folder / "runs/a/checkpoints/step_00000006/ema.safetensors")
        check_weights(folder / "ho/model.safetensors", layout="ho", dtype="BF16")
        _, _, texts, _ = read_png(folder / "runs/a/samples/step_00000003.png")
        same(texts, {"step": "3", "seed": "0"}, "texts of a preview")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        raise SystemExit(__doc__)
    main(os.path.abspath(sys.argv[1]))
