// The generator of HiFi-GAN, a vocoder: it turns a mel spectrogram into sound. Kong, Kim, Bae,
// "HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech Synthesis",
// https://arxiv.org/abs/2010.05646. Its shape, as the config.json beside a published model says it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace ddpm {

// How a mel spectrogram is computed from sound.
struct MelConfig {
  std::int64_t sampling_rate = 22050;  // Hz
  std::int64_t fft_size = 1024;        // n_fft
  std::int64_t window_size = 1024;     // win_size, at most fft_size; a Hann window
  std::int64_t hop_size = 256;         // samples between frames
  std::int64_t bands = 80;             // num_mels
  double lowest = 0, highest = 8000;   // fmin and fmax, Hz
};

// Which residual blocks the generator has: with two convolutions for each dilation (V1, V2), or
// with one (V3).
enum class HifiGanBlockKind { kTwoConvolutions, kOneConvolution };

struct HifiGanConfig {
  MelConfig mel;
  std::int64_t channels = 512;  // upsample_initial_channel; every stage halves them
  std::vector<std::int64_t> upsample_rates = {8, 8, 2, 2};  // one stage each
  std::vector<std::int64_t> upsample_kernel_sizes = {16, 16, 4, 4};
  HifiGanBlockKind resblock = HifiGanBlockKind::kTwoConvolutions;
  std::vector<std::int64_t> resblock_kernel_sizes = {3, 7, 11};  // the branches of each stage
  std::vector<std::vector<std::int64_t>> resblock_dilation_sizes = {
      {1, 3, 5}, {1, 3, 5}, {1, 3, 5}};
  std::int64_t segment_size = 8192;  // samples of a training segment
};

// Whether a document looks like a config of HiFi-GAN.
bool is_hifi_gan_config(const nlohmann::json& document);

// Reads a config as published (config_v1.json, config_v2.json, config_v3.json). Keys of the
// training are passed over. `name` begins messages. Throws CheckpointError that names the key if
// the config contradicts itself: lists of different lengths, a kernel that does not fit its rate,
// channels that cannot be halved, a hop size that is not the product of the rates, an unknown
// residual block.
HifiGanConfig read_hifi_gan_config(const nlohmann::json& document, const std::string& name);

// Samples of sound for each frame of the spectrogram: the product of the rates.
std::int64_t hop_of(const HifiGanConfig& config);

}  // namespace ddpm
