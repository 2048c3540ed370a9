// Turns mel spectrograms into sound with a generator of HiFi-GAN, piece by piece.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "ddpm/architecture/hifi_gan.h"
#include "ddpm/device/replay.h"
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
// the same kernels compute them, and use about `kept` frames, `kept` at most but for the first and
// the last.
std::vector<VocoderWindow> plan_windows(std::int64_t frames, std::int64_t kept,
                                        std::int64_t context);

// The same with windows of exactly kept + 2 * context frames, so that those of different
// spectrograms are equally long too; the last one computes again what the one before has computed
// already. There are at least as many frames.
std::vector<VocoderWindow> plan_fixed_windows(std::int64_t frames, std::int64_t kept,
                                              std::int64_t context);

// Frames on both sides of a frame that can change its sound (architecture/receptive_field.h).
std::int64_t frames_of_context(const HifiGanConfig& config);

// Receives the samples of the sound in order. Returns whether it wants more.
using SoundSink = std::function<bool(std::span<const float>)>;

// A spectrogram and where its sound goes.
struct VocoderJob {
  torch::Tensor mel;       // [bands,frames], float32 on the CPU
  std::int64_t chunk = 0;  // frames whose sound is passed on at a time; 0: as it is computed
  SoundSink sink;
};

class Vocoder {
 public:
  // Loads the generator (io/hifi_gan_file.h) to the device. Throws CheckpointError if a tensor is
  // missing or has another shape.
  Vocoder(const std::filesystem::path& model, const Runtime& runtime);

  const HifiGanConfig& config() const { return config_; }

  // How many jobs are worth giving at once: several on a GPU, one on a CPU.
  std::int64_t jobs_at_once() const;

  // Makes the sounds: frames * hop_of(config()) samples each, passed on as soon as they are ready.
  // The values depend on `chunk` in no bit, because the windows do not. On a GPU windows of all
  // jobs are computed together. Stops when a sink returns false, and then returns false too.
  bool operator()(const std::vector<VocoderJob>& jobs);

  // The time that the generator has taken so far, copies to and from the device included.
  double seconds() const { return seconds_; }

 private:
  // A batch of windows of one length that one recorded graph computes.
  struct Recorded {
    explicit Recorded(torch::Device device) : replay(device) {}
    torch::Tensor mels, sounds;  // [N,bands,length], [N,samples], on the device
    torch::Tensor result;        // `sounds` in the host's memory, where a GPU can write directly
    Replay replay;
  };

  std::vector<VocoderWindow> plan(std::int64_t frames) const;
  // How many of the windows of one length are computed together next.
  std::int64_t batch_size(std::int64_t length, std::size_t waiting) const;
  // The sounds of windows [bands,length], at most `batch` of them: [batch,samples], float32 on the
  // CPU, valid until the next call.
  torch::Tensor compute(const std::vector<torch::Tensor>& mels, std::int64_t batch);

  HifiGanConfig config_;
  Runtime runtime_;
  std::int64_t context_ = 0;
  HifiGanGenerator generator_{nullptr};
  std::map<std::pair<std::int64_t, std::int64_t>, Recorded> recorded_;  // by length and batch size
  double seconds_ = 0;
};

}  // namespace ddpm
