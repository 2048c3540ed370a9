// Turns mel spectrograms into sound with a generator of HiFi-GAN, piece by piece.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "ddpm/architecture/hifi_gan.h"
#include "ddpm/device/runtime.h"
#include "ddpm/nn/hifi_gan.h"

namespace ddpm {

// A piece of a spectrogram that the generator computes at once. Counted in frames.
struct VocoderWindow {
  std::int64_t begin = 0, end = 0;            // what it reads
  std::int64_t kept_begin = 0, kept_end = 0;  // whose sound is used

  bool operator==(const VocoderWindow&) const = default;
};

// Windows that together give the sound of every frame once, in order. Each reads `context` frames
// more than it uses on both sides, unless the spectrogram ends there. All are equally long, so that
// the same kernels compute them, and use about `kept` frames, `kept` at most but for the first and the
// last.
std::vector<VocoderWindow> plan_windows(std::int64_t frames, std::int64_t kept,
                                        std::int64_t context);

// Frames on both sides of a frame that can change its sound (architecture/receptive_field.h).
std::int64_t frames_of_context(const HifiGanConfig& config);

// Receives the samples of the sound in order. Returns whether it wants more.
using SoundSink = std::function<bool(std::span<const float>)>;

class Vocoder {
 public:
  // Loads the generator (io/hifi_gan_file.h) to the device. Throws CheckpointError if a tensor is
  // missing or has another shape.
  Vocoder(const std::filesystem::path& model, const Runtime& runtime);

  const HifiGanConfig& config() const { return config_; }

  // The sound of mel [bands,frames], float32 on the CPU: frames * hop_of(config()) samples. They are
  // passed on as soon as they are ready, `chunk` frames at a time, or with 0 one window. The values
  // depend on `chunk` in no bit, because the windows do not. Stops when `sink` returns false, and then
  // returns false too.
  bool operator()(const torch::Tensor& mel, std::int64_t chunk, const SoundSink& sink);

 private:
  HifiGanConfig config_;
  Runtime runtime_;
  std::int64_t context_;
  HifiGanGenerator generator_;
};

}  // namespace ddpm
