// The features of images, by which sets of them are compared.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "ddpm/config/choices.h"
#include "ddpm/device/runtime.h"

namespace ddpm {

// Of N images, on the device.
struct Features {
  torch::Tensor features;  // [N,D] float32
  torch::Tensor logits;    // [N,classes] float32; undefined if the network has no classes
};

// pixels: uint8 [N,3,H,W]. Returns float32 [N,3,299,299], values as the program of that name gives
// them to its network, in [-1,1] or (u - 128) / 128.
torch::Tensor resize_for_inception(const torch::Tensor& pixels, InceptionResize resize);

// A network that gives features, ready to use.
struct FeatureExtractor {
  std::string name;         // for people: "Inception (weights.pth), resized as pytorch-fid"
  std::string fingerprint;  // SHA-256 of all that features depend on but the images
  bool has_logits = false;
  std::int64_t batch_size = 1;  // how many images are worth computing together
  // pixels: uint8 [N,C,H,W] on the device, C = 1, which is repeated, or 3. Throws DataError for other
  // numbers of channels, and for features that are not one row an image.
  std::function<Features(const torch::Tensor& pixels)> extract;
};

// The weights of Inception where pytorch-fid or torch-fidelity have left them on this machine, below
// TORCH_HOME, or without it torch/ in XDG_CACHE_HOME, or else in ~/.cache. Nothing if there are none.
std::optional<std::filesystem::path> find_inception();

// Loads a network from a file, by what is in it:
//   weights of Inception (io/inception_file.h), which needs `resize`
//   a TorchScript program (torch.jit.save), which is run: it takes uint8 [N,3,H,W] and returns
//   [N,D], or [N,D,1,1], or a list of which that is the first. If it has an argument
//   return_features, that is true, as NVIDIA's inception-2015-12-05.pt needs.
// Throws CheckpointError.
FeatureExtractor open_features(const std::filesystem::path& file, InceptionResize resize,
                               const Runtime& runtime);

}  // namespace ddpm
