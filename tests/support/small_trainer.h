// Trainers of a tiny network on ten images of 8x8 pixels.
#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "ddpm/formats/safetensors.h"
#include "ddpm/io/weights.h"
#include "ddpm/training/trainer.h"
#include "support/files.h"
#include "support/fill.h"
#include "support/models.h"

namespace ddpm::testing {

inline const Runtime& cpu() {
  static const Runtime runtime = set_up_runtime({.device = "cpu", .threads = 1});
  return runtime;
}

// With `classes` > 0 image i is of class i mod classes.
inline ImageStore small_images(std::int64_t classes = 0) {
  constexpr std::int64_t kCount = 10, kSide = 8;
  std::vector<std::uint8_t> pixels;
  for (std::uint64_t i = 0; i < kCount * kSide * kSide; ++i)
    pixels.push_back(static_cast<std::uint8_t>(255 * (hash_value(1, i) + 0.5)));
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < kCount; ++i) labels.push_back(classes > 0 ? i % classes : -1);
  return ImageStore({.stored_height = kSide,
                     .stored_width = kSide,
                     .channels = 1,
                     .height = kSide,
                     .width = kSide},
                    pixels, labels);
}

inline Config small_config() {
  Config config;
  config.run.seed = 3;
  config.model = tiny();
  config.model.initialization = Initialization::kPytorch;
  config.diffusion.timesteps = 100;
  config.data.height = config.data.width = 8;
  config.data.channels = 1;
  config.training.batch_size = 8;
  config.training.learning_rate = 1e-3;
  config.training.warmup_steps = 2;
  config.training.epsilon = 1e-4;
  config.training.ema_decay = 0.9;
  return config;
}

// A rank whose tensors nobody adds, so that its own share can be looked at.
class LonelyRank final : public Communicator {
 public:
  using Communicator::Communicator;
  void sum(std::span<const torch::Tensor>) override {}
  void broadcast(std::span<const torch::Tensor>) override {}

 private:
  void exchange(const torch::Tensor&, const torch::Tensor&) override {}
  void gather_into(const torch::Tensor&, const torch::Tensor&) override {}
};

class SmallTrainer : public ::testing::Test {
 protected:
  Trainer make(const Config& config, Communicator& communicator = alone()) {
    return Trainer(config, images_, cpu(), communicator);
  }
  static void steps(Trainer& trainer, int count) {
    for (int i = 0; i < count; ++i) trainer.step();
  }
  std::filesystem::path save(Trainer& trainer, const std::string& name) {
    std::filesystem::create_directories(folder_ / name);
    write_snapshot(trainer.snapshot(), folder_ / name);
    return folder_ / name;
  }
  static torch::Tensor tensor(const std::filesystem::path& file, const std::string& name) {
    return to_tensor(SafetensorsFile(file).get(name));
  }
  static void expect_near(const std::filesystem::path& a, const std::filesystem::path& b,
                          double share) {
    const SafetensorsFile x(a), y(b);
    ASSERT_EQ(x.tensors().size(), y.tensors().size());
    for (const TensorView& view : x.tensors()) {
      const torch::Tensor u = to_tensor(view), v = to_tensor(y.get(view.name));
      EXPECT_LE((u - v).abs().max().item<double>(), share * u.abs().max().item<double>() + 1e-9)
          << view.name;
    }
  }

  TemporaryFolder folder_;
  ImageStore images_ = small_images();
};

}  // namespace ddpm::testing
