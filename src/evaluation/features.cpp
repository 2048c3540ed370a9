#include "ddpm/evaluation/features.h"

#include <torch/script.h>

#include <cctype>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/file_kind.h"
#include "ddpm/formats/sha256.h"
#include "ddpm/io/inception_file.h"
#include "ddpm/io/weights.h"
#include "ddpm/nn/bound_network.h"
#include "ddpm/nn/inception.h"

namespace ddpm {
namespace {

constexpr std::int64_t kSide = InceptionImpl::kSide;

// The two neighbours of each place along an axis of `size` pixels, and the weight of the second one.
struct Neighbours {
  torch::Tensor first, second, weight;
};
Neighbours neighbours_of(std::int64_t size, torch::Device device) {
  // The factor is rounded to float32 as TensorFlow does.
  const float scale = static_cast<float>(size) / static_cast<float>(kSide);
  const torch::Tensor place =
      torch::arange(kSide, torch::TensorOptions().dtype(torch::kFloat32).device(device)) * scale;
  const torch::Tensor first = place.floor();
  const torch::Tensor index = first.to(torch::kInt64);
  return {index, (index + 1).clamp_max(size - 1), place - first};
}

torch::Tensor resize_as_tensorflow(const torch::Tensor& images) {
  const Neighbours rows = neighbours_of(images.size(2), images.device()),
                   columns = neighbours_of(images.size(3), images.device());
  const auto between = [](const torch::Tensor& a, const torch::Tensor& b, const torch::Tensor& w) {
    return a + (b - a) * w;
  };
  const auto row = [&](const torch::Tensor& index) {
    const torch::Tensor line = images.index_select(2, index);
    return between(line.index_select(3, columns.first), line.index_select(3, columns.second),
                   columns.weight);
  };
  return between(row(rows.first), row(rows.second), rows.weight.unsqueeze(1));
}

torch::Tensor with_three_channels(const torch::Tensor& pixels) {
  if (pixels.size(1) == 3) return pixels;
  if (pixels.size(1) == 1) return pixels.expand({-1, 3, -1, -1});
  throw DataError(format_text(
      "features are computed of grey and RGB images; these have {} channels", pixels.size(1)));
}

// The features of every image as a row.
torch::Tensor rows_of(const torch::Tensor& output, std::int64_t images,
                      const std::filesystem::path& file) {
  if (output.dim() < 2 || output.size(0) != images || output.numel() == 0 ||
      output.numel() / images != output.size(1))
    throw DataError(format_text(
        "{}: its output must have the shape [images,features], but has {} for {} images",
        shown(file), c10::str(output.sizes()), images));
  return output.flatten(1).to(torch::kFloat32);
}

FeatureExtractor open_inception(const std::filesystem::path& file, InceptionResize resize,
                                const Runtime& runtime) {
  const auto network =
      std::make_shared<BoundNetwork<Inception>>(Inception(), torch::kFloat32, runtime.device);
  load_tensors(read_inception(file), network->tensors());
  return {.name = format_text("Inception ({}), resized as {}", shown(file.filename()), resize),
          .fingerprint = sha256_hex(format_text("inception {} {}", sha256_file(file), resize)),
          .has_logits = true,
          .batch_size = runtime.device.is_cuda() ? 256 : 8,
          .extract = [network, resize](const torch::Tensor& pixels) -> Features {
            const InceptionOutput output =
                (*network)->forward(resize_for_inception(with_three_channels(pixels), resize));
            return {output.features, output.logits};
          }};
}

bool has_argument(const torch::jit::Module& program, const std::string& name) {
  for (const c10::Argument& argument :
       program.get_method("forward").function().getSchema().arguments())
    if (argument.name() == name) return true;
  return false;
}

torch::Tensor first_tensor(const c10::IValue& value, const std::filesystem::path& file) {
  if (value.isTensor()) return value.toTensor();
  if (value.isTuple() && !value.toTupleRef().elements().empty())
    return first_tensor(value.toTupleRef().elements()[0], file);
  if (value.isTensorList() && !value.toTensorList().empty()) return value.toTensorList().get(0);
  throw DataError(format_text("{}: its output must be a tensor, but is of the type {}", shown(file),
                              value.tagKind()));
}

// What a program says went wrong: the last line, after the places in its source.
std::string reason_in(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
    text.remove_suffix(1);
  return shorten(text.substr(text.rfind('\n') + 1), 300);
}

c10::IValue run(torch::jit::Module& program, const torch::Tensor& images, bool wants_features,
                const std::filesystem::path& file) {
  torch::NoGradGuard no_grad;
  std::unordered_map<std::string, c10::IValue> named;
  if (wants_features) named["return_features"] = true;
  try {
    return program.forward({images}, named);
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const std::exception& error) {
    throw DataError(format_text("{}: this TorchScript program failed on uint8 {}: {}", shown(file),
                                c10::str(images.sizes()), reason_in(error.what())));
  }
}

FeatureExtractor open_script(const std::filesystem::path& file, const Runtime& runtime) {
  const auto program = std::make_shared<torch::jit::Module>();
  bool wants_features = false;
  try {
    *program = torch::jit::load(file.string(), runtime.device);
    program->eval();
    wants_features = has_argument(*program, "return_features");
  } catch (const std::exception& error) {
    throw CheckpointError(format_text("{}: this TorchScript program cannot be loaded: {}",
                                      shown(file), reason_in(error.what())));
  }
  const auto extract = [=](const torch::Tensor& pixels) -> Features {
    const torch::Tensor images = with_three_channels(pixels).contiguous();
    const c10::IValue output = run(*program, images, wants_features, file);
    return {rows_of(first_tensor(output, file), images.size(0), file), {}};
  };
  return {.name = format_text("the TorchScript program {}", shown(file.filename())),
          .fingerprint = sha256_hex("script " + sha256_file(file)),
          .batch_size = runtime.device.is_cuda() ? 256 : 8,
          .extract = extract};
}

}  // namespace

torch::Tensor resize_for_inception(const torch::Tensor& pixels, InceptionResize resize) {
  const torch::Tensor images = pixels.to(torch::kFloat32);
  const std::vector<std::int64_t> size = {kSide, kSide};
  switch (resize) {
    case InceptionResize::kTorchFidelity:
      return (resize_as_tensorflow(images) - 128) / 128;
    case InceptionResize::kPytorchFid:
      return 2 * torch::upsample_bilinear2d(images / 255, size, /*align_corners=*/false) - 1;
    case InceptionResize::kCleanFid:
      return (torch::_upsample_bicubic2d_aa(images, size, /*align_corners=*/false).clamp(0, 255) -
              128) /
             128;
  }
  return {};
}

std::optional<std::filesystem::path> find_inception() {
  for (const auto& [variable, below] :
       {std::pair("TORCH_HOME", ""), {"XDG_CACHE_HOME", "torch"}, {"HOME", ".cache/torch"}}) {
    const char* value = std::getenv(variable);
    if (value == nullptr || *value == '\0') continue;
    const std::filesystem::path folder = std::filesystem::path(value) / below / "hub/checkpoints";
    for (const char* name :
         {"pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth"})
      if (path_exists(folder / name)) return folder / name;
    return std::nullopt;
  }
  return std::nullopt;
}

FeatureExtractor open_features(const std::filesystem::path& file, InceptionResize resize,
                               const Runtime& runtime) {
  if (is_torch_script(file)) return open_script(file, runtime);
  return open_inception(file, resize, runtime);
}

}  // namespace ddpm
