// `ddpm encode` and `ddpm decode` as a user calls them.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "ddpm/formats/safetensors.h"
#include "ddpm/image/codec.h"
#include "support/autoencoder.h"
#include "support/files.h"
#include "support/program.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::content_of;
using testing::ProgramResult;

class Latents : public ::testing::Test {
 protected:
  // A small autoencoder that halves sides once, with small numbers that are all different.
  void write_autoencoder(const std::string& file, const std::string& prefix) {
    TensorSet set = testing::compvis_autoencoder({32, 32}, 1);
    std::vector<std::vector<float>> values;
    for (TensorView& view : set.tensors) {
      std::size_t count = 1;
      for (const std::int64_t size : view.shape) count *= static_cast<std::size_t>(size);
      std::vector<float>& numbers = values.emplace_back(count);
      for (std::size_t i = 0; i < count; ++i)
        numbers[i] = static_cast<float>(std::sin(static_cast<double>(i * 7 + values.size())) * 0.1);
      view.bytes = std::as_bytes(std::span(numbers));
      view.name = prefix + view.name;
    }
    write_safetensors(folder_ / file, set.tensors);
  }

  void SetUp() override {
    write_autoencoder("vae.safetensors", "");
    std::filesystem::create_directory(folder_ / "photos");
    for (int i = 0; i < 2; ++i) {
      Image image(8, 12, 3);
      for (std::size_t j = 0; j < image.pixels.size(); ++j)
        image.pixels[j] = static_cast<std::uint8_t>(j * static_cast<std::size_t>(7 + i));
      write_png(folder_ / ("photos/" + std::to_string(i) + ".png"), image);
    }
  }

  ProgramResult run(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--device", "cpu"});
    return testing::run_program(folder_.path(), arguments);
  }

  std::vector<float> tensor(const std::string& file, const std::string& name) {
    const SafetensorsFile tensors(folder_ / file);
    const TensorView& view = tensors.get(name);
    std::vector<float> values(view.bytes.size() / sizeof(float));
    std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
    return values;
  }

  // A file of latents [1,4,4,6] with this content.
  void write_latents(const std::string& file, const std::vector<float>& values,
                     const SafetensorsMetadata& metadata) {
    const TensorView view{"latents", DType::kF32, {1, 4, 4, 6}, std::as_bytes(std::span(values))};
    write_safetensors(folder_ / file, std::span(&view, 1), metadata);
  }

  const testing::TemporaryFolder folder_;
};

TEST_F(Latents, AreEncodedWithTheirScaleAndDecoded) {
  const ProgramResult result =
      run({"encode", "photos", "--vae", "vae.safetensors", "--output", "latents.safetensors"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "0.18215")) << result.err;
  const SafetensorsFile file(folder_ / "latents.safetensors");
  EXPECT_EQ(file.get("latents").shape, (std::vector<std::int64_t>{2, 4, 4, 6}));
  EXPECT_EQ(file.metadata().at("scale"), "0.18215");

  const ProgramResult decoded =
      run({"decode", "latents.safetensors", "--vae", "vae.safetensors", "--output", "pictures"});
  ASSERT_EQ(decoded.code, 0) << decoded.err;
  EXPECT_EQ(decoded.out, "pictures/000000.png\npictures/000001.png\n");
  const Image picture = read_image(folder_ / "pictures/000001.png");
  EXPECT_EQ(picture.width, 12);
  EXPECT_EQ(picture.height, 8);
}

// What the file says and what the model says cancel, however a program wrote the latents.
TEST_F(Latents, MayBeScaledAlready) {
  std::vector<float> values(96);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(std::cos(static_cast<double>(i)));
  write_latents("plain.safetensors", values, {{"scale", "0.5"}});
  for (float& value : values) value *= 0.5F;
  write_latents("scaled.safetensors", values, {});
  for (const char* name : {"plain", "scaled"})
    ASSERT_EQ(run({"decode", std::string(name) + ".safetensors", "--vae", "vae.safetensors",
                   "--output", std::string(name) + "-images.safetensors"})
                  .code,
              0);
  EXPECT_EQ(tensor("plain-images.safetensors", "images"),
            tensor("scaled-images.safetensors", "images"));
}

TEST_F(Latents, ComeFromWholeModelsToo) {
  write_autoencoder("model.safetensors", "first_stage_model.");
  for (const char* model : {"vae", "model"})
    ASSERT_EQ(run({"encode", "photos/0.png", "--vae", std::string(model) + ".safetensors",
                   "--output", std::string("of-") + model + ".safetensors"})
                  .code,
              0);
  EXPECT_EQ(content_of(folder_ / "of-vae.safetensors"),
            content_of(folder_ / "of-model.safetensors"));
}

TEST_F(Latents, RefuseWhatDoesNotFit) {
  Image odd(9, 12, 3);
  write_png(folder_ / "odd.png", odd);
  write_latents("nan.safetensors", std::vector<float>(96, NAN), {});
  write_latents("scale.safetensors", std::vector<float>(96, 1), {{"scale", "big"}});
  const std::vector<float> numbers(9, 1);
  const TensorView other{"x", DType::kF32, {9}, std::as_bytes(std::span(numbers))};
  write_safetensors(folder_ / "other.safetensors", std::span(&other, 1));
  struct Case {
    std::vector<std::string> arguments;
    int code;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{"encode", "odd.png", "--vae", "vae.safetensors"}, 3, "12x9 pixels"},
      {{"encode", "none", "--vae", "vae.safetensors"}, 3, "no such file"},
      {{"encode", "photos", "--vae", "other.safetensors"}, 4, "there is no autoencoder"},
      {{"encode", "photos", "--vae", "photos"}, 4, "vae/config.json"},
      {{"encode", "photos", "--vae", "vae.safetensors", "--scale", "0"}, 2, "--scale"},
      {{"decode", "other.safetensors", "--vae", "vae.safetensors"}, 3, "[N,4,H,W]"},
      {{"decode", "nan.safetensors", "--vae", "vae.safetensors"}, 3, "not finite"},
      {{"decode", "scale.safetensors", "--vae", "vae.safetensors"}, 3, "'big'"},
  };
  for (Case test : cases) {
    test.arguments.insert(test.arguments.end(), {"--output", "out.safetensors"});
    const ProgramResult result = run(test.arguments);
    EXPECT_EQ(result.code, test.code) << test.message;
    EXPECT_TRUE(contains(result.err, test.message)) << result.err;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out.safetensors"));
  }
}

}  // namespace
}  // namespace ddpm
