"""Writes mel_chirp.json: a mel spectrogram by librosa's filters and torch.stft, by HiFi-GAN's recipe.

usage: python mel_chirp.py > mel_chirp.json   (librosa 0.11.0, torch 2.11.0, numpy)
"""

import json

import librosa
import numpy
import torch

RATE, SAMPLES = 22050, 2560
FILTERS = [0, 1, 20, 40, 60, 79]


def chirp():
    """Rises from 100 Hz to 9000 Hz, in float32. C++ writes down the same formula."""
    t = numpy.arange(SAMPLES) / RATE
    length = SAMPLES / RATE
    return (0.5 * numpy.sin(2 * numpy.pi * (100 * t + (9000 - 100) / (2 * length) * t**2))).astype(numpy.float32)


def mel(sound, n_fft, win, hop, bands, lowest, highest):
    y = torch.tensor(sound, dtype=torch.float64)[None, None]
    pad = (n_fft - hop) // 2
    y = torch.nn.functional.pad(y, (pad, pad), mode="reflect")[0]
    window = torch.hann_window(win, dtype=torch.float64)
    spectrum = torch.stft(y, n_fft, hop, win, window, center=False, return_complex=True)
    magnitude = torch.sqrt(spectrum.abs() ** 2 + 1e-9)
    filters = librosa.filters.mel(sr=RATE, n_fft=n_fft, n_mels=bands, fmin=lowest, fmax=highest, dtype=numpy.float64)
    result = torch.log(torch.clamp(torch.from_numpy(filters) @ magnitude[0], min=1e-5))
    return filters, result


def rounded(values):
    return [[float(f"{v:.7g}") for v in row] for row in values]


filters, published = mel(chirp(), 1024, 1024, 256, 80, 0, 8000)
_, other = mel(chirp(), 512, 400, 128, 20, 55, 7600)
print(json.dumps({"filters": {str(i): rounded([filters[i]])[0] for i in FILTERS},
                  "published": rounded(published.tolist()), "other": rounded(other.tolist())}))
