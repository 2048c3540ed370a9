#include "ddpm/sampling/vocoder.h"

#include <gtest/gtest.h>
#include <torch/cuda.h>

#include "ddpm/io/weights.h"
#include "ddpm/nn/bound_network.h"
#include "ddpm/nn/initialize.h"
#include "support/files.h"
#include "support/hifi_gan.h"

namespace ddpm {
namespace {

using testing::TemporaryFolder;

using Generator = BoundNetwork<HifiGanGenerator>;

Generator network_of(const HifiGanConfig& config, torch::Dtype dtype = torch::kFloat32) {
  return {HifiGanGenerator(config), dtype, torch::kCPU};
}

// Writes a random generator of version 3 to the folder.
void write_model(const TemporaryFolder& folder) {
  const Generator network = network_of(testing::hifi_gan_config(3));
  initialize_weights(*network.net(), Initialization::kPytorch, 5);
  network.flat().mul_(2);
  save_tensors(folder / "generator.safetensors", network.tensors());
  folder.write("config.json", testing::content_of(testing::hifi_gan_path(3)));
}

Vocoder vocoder_of(const TemporaryFolder& folder) {
  return {folder.path(), set_up_runtime({.device = "cpu"})};
}

std::vector<float> sound_of(Vocoder& vocoder, const torch::Tensor& mel, std::int64_t chunk,
                            std::vector<std::size_t>* sizes = nullptr) {
  std::vector<float> sound;
  const auto keep = [&](std::span<const float> part) {
    sound.insert(sound.end(), part.begin(), part.end());
    if (sizes != nullptr) sizes->push_back(part.size());
    return true;
  };
  EXPECT_TRUE(vocoder({{.mel = mel, .chunk = chunk, .sink = keep}}));
  return sound;
}

// Checks that windows of `frames` frames are at most `longest` long, equally long, and give every frame
// once with its context.
void expect_whole(const std::vector<VocoderWindow>& windows, std::int64_t frames,
                  std::int64_t longest, std::int64_t context) {
  std::int64_t done = 0;
  for (const VocoderWindow& window : windows) {
    ASSERT_EQ(window.kept_begin, done);
    ASSERT_GT(window.kept_end, done);
    ASSERT_GE(window.begin, 0);
    ASSERT_LE(window.end, frames);
    ASSERT_EQ(window.end - window.begin, windows.front().end - windows.front().begin);
    ASSERT_LE(window.begin, std::max<std::int64_t>(0, window.kept_begin - context));
    ASSERT_GE(window.end, std::min(frames, window.kept_end + context));
    ASSERT_LE(window.end - window.begin, longest);
    done = window.kept_end;
  }
  ASSERT_EQ(done, frames);
}

TEST(VocoderWindows, GiveEveryFrameOnceWithItsContext) {
  for (const std::int64_t context : {0, 1, 13})
    for (const std::int64_t kept : {1, 10, 64})
      for (std::int64_t frames = 1; frames < 300; ++frames) {
        const std::int64_t length = kept + 2 * context;
        expect_whole(plan_windows(frames, kept, context), frames, length, context);
        if (frames < length) continue;
        const std::vector<VocoderWindow> windows = plan_fixed_windows(frames, kept, context);
        expect_whole(windows, frames, length, context);
        ASSERT_EQ(windows.front().end, length);
      }
}

// 1000 frames need two windows of 512, but 500 each are enough.
TEST(VocoderWindows, AreEquallyFilled) {
  EXPECT_EQ(plan_windows(1026, 512, 13),
            (std::vector<VocoderWindow>{{0, 526, 0, 513}, {500, 1026, 513, 1026}}));
}

TEST(VocoderTest, GivesTheSameBytesForAnyChunk) {
  const TemporaryFolder folder;
  write_model(folder);
  Vocoder vocoder = vocoder_of(folder);
  torch::manual_seed(1);
  const torch::Tensor mel = torch::randn({80, 1100}) * 2 - 5;
  const std::vector<float> whole = sound_of(vocoder, mel, 0);
  ASSERT_EQ(whole.size(), 1100U * 256);
  for (const std::int64_t chunk : {1, 7, 513, 5000}) {
    std::vector<std::size_t> sizes;
    EXPECT_EQ(sound_of(vocoder, mel, chunk, &sizes), whole) << chunk;
    sizes.pop_back();
    for (const std::size_t size : sizes) EXPECT_EQ(size, static_cast<std::size_t>(chunk) * 256);
  }
}

TEST(VocoderTest, StopsWhenNobodyWantsMore) {
  const TemporaryFolder folder;
  write_model(folder);
  Vocoder vocoder = vocoder_of(folder);
  int calls = 0;
  EXPECT_FALSE(vocoder(
      {{.mel = torch::zeros({80, 60}), .chunk = 10, .sink = [&](auto) { return ++calls < 3; }}}));
  EXPECT_EQ(calls, 3);
}

TEST(VocoderTest, GivesTheSoundOfTheWholeSpectrogram) {
  const TemporaryFolder folder;
  write_model(folder);
  Vocoder vocoder = vocoder_of(folder);
  torch::manual_seed(2);
  const torch::Tensor mel = torch::randn({80, 1100}) * 2 - 5;
  const std::vector<float> pieces = sound_of(vocoder, mel, 0);
  const Generator network = network_of(testing::hifi_gan_config(3));
  load_tensors(read_safetensors(folder / "generator.safetensors"), network.tensors());
  const torch::Tensor whole = network->forward(mel.unsqueeze(0))[0];
  const torch::Tensor got = torch::tensor(pieces);
  EXPECT_LT(((got - whole).abs().max() / whole.abs().max()).item<double>(), 1e-5);
}

// Spectrograms of several lengths, as batches on a GPU, against the CPU one by one.
TEST(VocoderTest, GivesTheSameSoundsOnAGpu) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
  const TemporaryFolder folder;
  write_model(folder);
  Vocoder cpu = vocoder_of(folder);
  for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
    Vocoder gpu(folder.path(), set_up_runtime({.device = "cuda", .precision = precision}));
    for (int repetition = 0; repetition < 4;
         ++repetition) {  // the third call of a batch records it
      std::vector<torch::Tensor> mels;
      for (const std::int64_t frames : {40, 200, 537, 600, 1100, 9000})
        mels.push_back(torch::randn({80, frames}) * 2 - 5);
      std::vector<std::vector<float>> sounds(mels.size());
      std::vector<VocoderJob> jobs;
      for (std::size_t i = 0; i < mels.size(); ++i)
        jobs.push_back({.mel = mels[i], .sink = [&sounds, i](std::span<const float> part) {
                          sounds[i].insert(sounds[i].end(), part.begin(), part.end());
                          return true;
                        }});
      EXPECT_TRUE(gpu(jobs));
      for (std::size_t i = 0; i < mels.size(); ++i) {
        const torch::Tensor expected = torch::tensor(sound_of(cpu, mels[i], 0));
        const torch::Tensor error = torch::tensor(sounds[i]) - expected;
        EXPECT_LT((error.norm() / expected.norm()).item<double>(),
                  precision == Precision::kFp32 ? 1e-5 : 3e-2)
            << mels[i].size(1);
      }
    }
  }
}

// Every filter averages with equal weights. Nothing is negative, so no leaky ReLU changes a value, and a
// sample is not zero exactly if it depends on a frame that is not zero.
void make_positive(const Generator& network) {
  for (const auto& [name, tensor] : network.tensors()) {
    if (name.ends_with("bias")) continue;
    const bool transposed = name.starts_with("ups.");
    const double inputs = static_cast<double>(tensor.size(transposed ? 0 : 1) * tensor.size(2));
    torch::Tensor(tensor).fill_(1 / inputs);
  }
}

// The samples, in float64, that windows with this context give for a spectrogram with one frame that
// is not zero.
torch::Tensor sound_by_windows(const Generator& network, const torch::Tensor& mel,
                               std::int64_t context) {
  std::vector<torch::Tensor> parts;
  for (const VocoderWindow& window : plan_windows(mel.size(2), /*kept=*/20, context)) {
    const torch::Tensor sound = network->forward(mel.slice(2, window.begin, window.end))[0];
    parts.push_back(sound.slice(0, (window.kept_begin - window.begin) * 256,
                                (window.kept_end - window.begin) * 256));
  }
  return torch::cat(parts);
}

class VocoderContext : public ::testing::TestWithParam<int> {};

TEST_P(VocoderContext, IsEnoughAndOneFrameLessIsNot) {
  HifiGanConfig config = testing::hifi_gan_config(GetParam());
  config.channels = 16;  // how far the network sees does not depend on them
  config.mel.bands = 1;
  const Generator network = network_of(config, torch::kFloat64);
  make_positive(network);
  const std::int64_t context = frames_of_context(config), frames = 120;
  bool too_little = false;
  for (std::int64_t frame = 40; frame < 80; ++frame) {
    const torch::Tensor mel = torch::zeros({1, 1, frames}, torch::kFloat64);
    mel.select(2, frame).fill_(1);
    const torch::Tensor whole = network->forward(mel)[0] != 0;
    ASSERT_TRUE(whole.any().item<bool>());
    EXPECT_TRUE((sound_by_windows(network, mel, context) != 0).equal(whole)) << frame;
    too_little |= !(sound_by_windows(network, mel, context - 1) != 0).equal(whole);
  }
  EXPECT_TRUE(too_little);
}

INSTANTIATE_TEST_SUITE_P(Published, VocoderContext, ::testing::Values(1, 2, 3));

}  // namespace
}  // namespace ddpm
