// `ddpm vocode` and `ddpm mel` as a user calls them.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include <nlohmann/json.hpp>

#include "ddpm/audio/wav.h"
#include "ddpm/formats/npy.h"
#include "ddpm/formats/safetensors.h"
#include "ddpm/image/codec.h"
#include "support/files.h"
#include "support/program.h"

namespace ddpm {
namespace {

using testing::contains;
using testing::content_of;
using testing::ProgramResult;
using testing::TemporaryFolder;

constexpr const char* kConfig = R"({"resblock": "2", "upsample_rates": [4, 4],
  "upsample_kernel_sizes": [8, 8], "upsample_initial_channel": 8, "resblock_kernel_sizes": [3],
  "resblock_dilation_sizes": [[1, 2]], "num_mels": 4, "n_fft": 64, "win_size": 64, "hop_size": 16,
  "sampling_rate": 8000, "fmin": 0, "fmax": 4000})";
constexpr std::int64_t kHop = 16, kRate = 8000;

using Shapes = std::map<std::string, std::vector<std::int64_t>>;

// Writes tensors of small numbers that are all different.
void write_tensors(const std::filesystem::path& path, const Shapes& shapes) {
  std::vector<std::vector<float>> values;
  std::vector<TensorView> views;
  for (const auto& [name, shape] : shapes) {
    std::size_t count = 1;
    for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
    std::vector<float>& numbers = values.emplace_back(count);
    for (std::size_t i = 0; i < count; ++i)
      numbers[i] = static_cast<float>(std::sin(static_cast<double>(i * 7 + values.size())) * 0.4);
    views.push_back({name, DType::kF32, shape, std::as_bytes(std::span(numbers))});
  }
  write_safetensors(path, views);
}

class Vocode : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.write("model/config.json", kConfig);
    write_tensors(folder_ / "model/generator.safetensors",
                  {{"conv_pre.weight", {8, 4, 7}},
                   {"conv_pre.bias", {8}},
                   {"ups.0.weight", {8, 4, 8}},
                   {"ups.0.bias", {4}},
                   {"resblocks.0.convs.0.weight", {4, 4, 3}},
                   {"resblocks.0.convs.0.bias", {4}},
                   {"resblocks.0.convs.1.weight", {4, 4, 3}},
                   {"resblocks.0.convs.1.bias", {4}},
                   {"ups.1.weight", {4, 2, 8}},
                   {"ups.1.bias", {2}},
                   {"resblocks.1.convs.0.weight", {2, 2, 3}},
                   {"resblocks.1.convs.0.bias", {2}},
                   {"resblocks.1.convs.1.weight", {2, 2, 3}},
                   {"resblocks.1.convs.1.bias", {2}},
                   {"conv_post.weight", {1, 2, 7}},
                   {"conv_post.bias", {1}}});
    write_tensors(folder_ / "speech.safetensors", {{"mel", {4, 700}}});
  }

  ProgramResult run(std::vector<std::string> arguments) {
    return testing::run_program(folder_.path(), std::move(arguments));
  }
  ProgramResult vocode(std::vector<std::string> arguments) {
    std::vector<std::string> all = {"vocode", "--model", "model", "--device", "cpu"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run(std::move(all));
  }
  Sound sound(const std::string& name) {
    const std::string file = content_of(folder_ / name);
    return read_wav(testing::as_bytes(file), name);
  }
  void write_wav(const std::string& name, std::int64_t samples) {
    std::string bytes;
    WavWriter writer(
        [&](std::span<const std::byte> part) {
          bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
        },
        kRate, samples, WavFormat::kPcm16);
    std::vector<float> chirp;
    for (std::int64_t i = 0; i < samples; ++i)
      chirp.push_back(static_cast<float>(0.5 * std::sin(1e-5 * static_cast<double>(i * i))));
    writer.write(chirp);
    folder_.write(name, bytes);
  }

  TemporaryFolder folder_;
};

TEST_F(Vocode, WritesSoundOfTheRightLength) {
  const ProgramResult result = vocode({"--mel", "speech.safetensors", "--output", "a/speech.wav"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "a/speech.wav\n");
  EXPECT_TRUE(contains(result.err, "1.40 s of sound in")) << result.err;
  const Sound speech = sound("a/speech.wav");
  EXPECT_EQ(speech.rate, kRate);
  EXPECT_EQ(speech.samples.size(), static_cast<std::size_t>(700 * kHop));
}

TEST_F(Vocode, WritesTheSameBytesInChunks) {
  ASSERT_EQ(
      vocode({"--mel", "speech.safetensors", "--output", "whole.wav", "--sample-format", "float"})
          .code,
      0);
  for (const char* frames : {"1", "33", "10000"}) {
    ASSERT_EQ(vocode({"--mel", "speech.safetensors", "--output", "chunks.wav", "--sample-format",
                      "float", "--chunk-frames", frames, "--overwrite"})
                  .code,
              0);
    EXPECT_EQ(content_of(folder_ / "chunks.wav"), content_of(folder_ / "whole.wav")) << frames;
  }
  const ProgramResult piped = vocode(
      {"--mel", "speech.safetensors", "--output", "-", "--sample-format", "float", "--quiet"});
  EXPECT_EQ(piped.out, content_of(folder_ / "whole.wav"));
}

TEST_F(Vocode, MakesSoundFromSound) {
  write_wav("in.wav", 4000);
  const ProgramResult result =
      vocode({"--wav", "in.wav", "--output", "out.wav", "--picture", "--sample-format", "float"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(sound("out.wav").samples.size(), static_cast<std::size_t>(4000 / kHop * kHop));
  const Image picture = read_image(folder_ / "out.png");
  EXPECT_GT(picture.width, 200);
  // The same in two steps.
  ASSERT_EQ(run({"mel", "in.wav", "--model", "model", "--output", "in.npy"}).code, 0);
  ASSERT_EQ(vocode({"--mel", "in.npy", "--output", "again.wav", "--sample-format", "float"}).code,
            0);
  EXPECT_EQ(content_of(folder_ / "again.wav"), content_of(folder_ / "out.wav"));
}

TEST_F(Vocode, TakesFolders) {
  write_wav("in/a.wav", 2000);
  write_wav("in/sub/b.wav", 3000);
  folder_.write("in/broken.wav", "RIFFxxxxWAVE");
  folder_.write("in/notes.txt", "");
  const ProgramResult result = vocode({"--wav", "in", "--output", "out", "--json"});
  EXPECT_EQ(result.code, 3);
  EXPECT_TRUE(contains(result.err, "in/broken.wav: damaged WAV file")) << result.err;
  EXPECT_TRUE(contains(result.err, "1 of 3 files could not be used")) << result.err;
  EXPECT_EQ(sound("out/sub/b.wav").samples.size(), static_cast<std::size_t>(3000 / kHop * kHop));
  const auto line = nlohmann::json::parse(result.out.substr(0, result.out.find('\n')));
  EXPECT_EQ(line.at("output"), "out/a.wav");
  EXPECT_DOUBLE_EQ(line.at("sound_s"), 0.25);
  EXPECT_GT(line.at("times_real_time"), 0);
}

TEST_F(Vocode, KeepsFilesThatExist) {
  folder_.write("out.wav", "precious");
  const ProgramResult result = vocode({"--mel", "speech.safetensors", "--output", "out.wav"});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(contains(result.err, "--overwrite")) << result.err;
  EXPECT_EQ(content_of(folder_ / "out.wav"), "precious");
}

TEST_F(Vocode, LeavesNothingWhenItIsStopped) {
  write_tensors(folder_ / "long.safetensors", {{"mel", {4, 3'000'000}}});
  testing::Program program(
      folder_.path(), {"vocode", "--model", "model", "--device", "cpu", "--mel", "long.safetensors",
                       "--output", "out/long.wav"});
  const auto begun = [&] {
    return std::filesystem::exists(folder_ / "out") && !std::filesystem::is_empty(folder_ / "out");
  };
  program.wait_until(begun);
  program.send(SIGINT);
  EXPECT_EQ(program.wait().code, 130);
  EXPECT_FALSE(begun());
}

TEST_F(Vocode, SaysWhatIsWrong) {
  const auto refused = [&](int code, const std::string& message,
                           std::vector<std::string> arguments) {
    const ProgramResult result = vocode(std::move(arguments));
    EXPECT_EQ(result.code, code) << message;
    EXPECT_TRUE(contains(result.err, message)) << result.err;
  };
  refused(2, "give either --mel", {"--output", "x.wav"});
  refused(2, "give either --mel", {"--mel", "a", "--wav", "b", "--output", "x.wav"});
  refused(2, "'x.mp3' must end with .wav", {"--mel", "speech.safetensors", "--output", "x.mp3"});
  refused(2, "needs a folder, not standard output", {"--wav", "model", "--output", "-"});
  refused(2, "unknown 'flac'",
          {"--mel", "speech.safetensors", "--output", "x.wav", "--sample-format", "flac"});
  refused(3, "nothing.npy: no such file", {"--mel", "nothing.npy", "--output", "x.wav"});
  write_tensors(folder_ / "wide.safetensors", {{"mel", {80, 20}}});
  refused(3, "the shape is [80, 20], and the model needs [4,frames]",
          {"--mel", "wide.safetensors", "--output", "x.wav"});
  write_wav("short.wav", 10);
  refused(3, "short.wav: this is sound", {"--mel", "short.wav", "--output", "x.wav"});
  refused(3, "short.wav: 10 samples are too few", {"--wav", "short.wav", "--output", "x.wav"});
  EXPECT_FALSE(std::filesystem::exists(folder_ / "x.wav"));
  for (const char* path : {"model", "model/generator.safetensors"}) {
    const ProgramResult sample = run({"sample", "--model", path});
    EXPECT_EQ(sample.code, 4);
    EXPECT_TRUE(contains(sample.err, "a generator of HiFi-GAN, which ddpm vocode takes"))
        << sample.err;
  }
}

TEST_F(Vocode, OfOneFrameHasNoPicture) {
  write_tensors(folder_ / "one.safetensors", {{"mel", {4, 1}}});
  const ProgramResult result =
      vocode({"--mel", "one.safetensors", "--output", "one.wav", "--picture"});
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(contains(result.err, "there is no picture of it: 16 samples are too few"))
      << result.err;
  EXPECT_EQ(sound("one.wav").samples.size(), 16U);
}

TEST_F(Vocode, ReadsSpectrogramsOfOtherShapes) {
  write_tensors(folder_ / "batch.safetensors", {{"x", {1, 4, 9}}});
  ASSERT_EQ(vocode({"--mel", "batch.safetensors", "--output", "batch.wav"}).code, 0);
  EXPECT_EQ(sound("batch.wav").samples.size(), static_cast<std::size_t>(9 * kHop));
  write_tensors(folder_ / "turned.safetensors", {{"mel", {9, 4}}});
  const ProgramResult result = vocode({"--mel", "turned.safetensors", "--output", "turned.wav"});
  EXPECT_TRUE(contains(result.err, "so it is transposed")) << result.err;
}

TEST_F(Vocode, ModelsAreConvertedAndBack) {
  ASSERT_EQ(
      run({"convert", "--model", "model", "--to", "hifigan_weight_norm", "--output", "normed"})
          .code,
      0);
  ASSERT_EQ(run({"convert", "--model", "normed", "--to", "hifigan", "--output", "plain"}).code, 0);
  const SafetensorsFile before(folder_ / "model/generator.safetensors");
  const SafetensorsFile after(folder_ / "plain/model.safetensors");
  ASSERT_EQ(after.tensors().size(), before.tensors().size());
  for (const TensorView& view : before.tensors())
    EXPECT_TRUE(std::ranges::equal(after.get(view.name).bytes, view.bytes)) << view.name;
  EXPECT_NE(SafetensorsFile(folder_ / "normed/model.safetensors").find("conv_post.weight_g"),
            nullptr);
}

TEST_F(Vocode, SpectrogramsAreWrittenForOtherPrograms) {
  write_wav("in.wav", 4000);
  ASSERT_EQ(run({"mel", "in.wav", "--model", "model"}).code, 0);
  EXPECT_EQ(SafetensorsFile(folder_ / "in.safetensors").get("mel").shape,
            (std::vector<std::int64_t>{4, 250}));
  ASSERT_EQ(run({"mel", "in.wav", "--model", "model/config.json", "--output", "in.npy"}).code, 0);
  const std::string file = content_of(folder_ / "in.npy");
  const NumpyArray array = read_npy(testing::as_bytes(file), "in.npy");
  EXPECT_EQ(array.type, "<f4");
  EXPECT_EQ(array.shape, (std::vector<std::int64_t>{4, 250}));
  const ProgramResult other_rate = run({"mel", "in.wav", "--output", "published.npy"});
  // Either libsoxr resampled it, or the message says how to.
  EXPECT_TRUE(other_rate.code == 0 || contains(other_rate.err, "ffmpeg -i IN -ar 22050"))
      << other_rate.err;
}

}  // namespace
}  // namespace ddpm
