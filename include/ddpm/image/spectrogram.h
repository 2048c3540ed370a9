// Draws spectrograms.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ddpm/image/image.h"

namespace ddpm {

// A label of the vertical axis, at a band counted from below; fractions are between bands.
struct BandLabel {
  double band = 0;
  std::string text;
};

struct SpectrogramPlot {
  std::int64_t bands = 0, frames = 0;
  std::span<const float> values;  // [bands,frames], the lowest band first; larger is brighter
  double seconds = 0;             // of all frames
  std::string title = {};
  std::vector<BandLabel> labels = {};
};

// An RGB picture with axes, at most 1600 pixels wide. The brightest colour is the largest value,
// the darkest 11 below it or the smallest value, whichever is larger: with natural logarithms of
// amplitudes 11 is 96 dB. Texts must be ASCII. Throws std::invalid_argument if there are no values
// or not bands * frames.
Image draw_spectrogram(const SpectrogramPlot& plot);

}  // namespace ddpm
