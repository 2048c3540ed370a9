#include "ddpm/data/mel_spectrogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <numbers>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "support/files.h"

namespace ddpm {
namespace {

// Values by librosa's filters and PyTorch's stft in float64 (tests/golden/mel_chirp.py).
const nlohmann::json& golden() {
  static const nlohmann::json kValues = [] {
    std::ifstream file(DDPM_SOURCE_DIR "/tests/golden/mel_chirp.json");
    return nlohmann::json::parse(file);
  }();
  return kValues;
}

// Rises from 100 Hz to 9000 Hz; the formula of mel_chirp.py.
std::vector<float> chirp() {
  constexpr int kSamples = 2560;
  constexpr double kRate = 22050, kLength = kSamples / kRate;
  std::vector<float> sound;
  for (int i = 0; i < kSamples; ++i) {
    const double t = i / kRate;
    const double turns = 100 * t + (9000 - 100) / (2 * kLength) * t * t;
    sound.push_back(static_cast<float>(0.5 * std::sin(2 * std::numbers::pi * turns)));
  }
  return sound;
}

torch::Tensor to_tensor(const nlohmann::json& rows) {
  std::vector<torch::Tensor> tensors;
  for (const nlohmann::json& row : rows)
    tensors.push_back(torch::tensor(row.get<std::vector<double>>(), torch::kFloat64));
  return torch::stack(tensors);
}

double largest_error(const torch::Tensor& got, const torch::Tensor& expected) {
  return (got.to(torch::kFloat64) - expected).abs().max().item<double>();
}

TEST(MelFilters, EqualLibrosas) {
  const torch::Tensor filters = mel_filters({});
  ASSERT_EQ(filters.sizes(), torch::IntArrayRef({80, 513}));
  for (const auto& [band, values] : golden().at("filters").items())
    EXPECT_LT(largest_error(filters[std::stoi(band)],
                            torch::tensor(values.get<std::vector<double>>(), torch::kFloat64)),
              1e-8)
        << band;
}

TEST(MelSpectrogram, EqualsLibrosasAndPytorchs) {
  const torch::Tensor expected = to_tensor(golden().at("published"));
  const torch::Tensor mel = mel_spectrogram(chirp(), {});
  ASSERT_EQ(mel.sizes(), torch::IntArrayRef({80, 10}));
  EXPECT_LT(largest_error(mel, expected), 1e-5);
}

// A window that is shorter than the frame, another range and another hop.
TEST(MelSpectrogram, TakesOtherRecipes) {
  const MelConfig recipe{.fft_size = 512,
                         .window_size = 400,
                         .hop_size = 128,
                         .bands = 20,
                         .lowest = 55,
                         .highest = 7600};
  EXPECT_LT(largest_error(mel_spectrogram(chirp(), recipe), to_tensor(golden().at("other"))), 1e-5);
}

// Long sound is computed in parts; a part does not show where it begins.
TEST(MelSpectrogram, OfLongSoundIsThatOfItsParts) {
  std::vector<float> sound(256 * 2500);
  for (std::size_t i = 0; i < sound.size(); ++i)
    sound[i] = static_cast<float>(std::sin(0.05 * static_cast<double>(i % 4096)));
  const torch::Tensor whole = mel_spectrogram(sound, {});
  ASSERT_EQ(whole.size(1), 2500);
  const std::span<const float> rest = std::span(sound).subspan(256 * 1000);
  const torch::Tensor part = mel_spectrogram(rest, {});
  // The first frames of the part see its reflected end.
  EXPECT_LT(largest_error(part.slice(1, 4, 1400), whole.slice(1, 1004, 2400).to(torch::kFloat64)),
            1e-5);
}

TEST(MelSpectrogram, OfSilenceIsTheLeastValue) {
  const torch::Tensor mel = mel_spectrogram(std::vector<float>(1024), {});
  EXPECT_TRUE(mel.equal(torch::full_like(mel, std::log(1e-5))));
}

TEST(MelSpectrogram, RefusesWhatIsTooShort) {
  const std::string message =
      testing::message_of<DataError>([] { mel_spectrogram(std::vector<float>(384), {}); });
  EXPECT_TRUE(testing::contains(message, "384 samples are too few")) << message;
  EXPECT_NO_THROW(mel_spectrogram(std::vector<float>(385), {}));
}

}  // namespace
}  // namespace ddpm
