// Files of CompVis and Stability AI: Stable Diffusion with all its parts in one file.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "ddpm/config/config.h"
#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// Whether a JSON document has the structure of v1-inference.yaml: {"model": {"params":
// {"unet_config": {"params": ...}}}}.
bool is_compvis_config(const nlohmann::json& document);

// Sets model.*, diffusion.* and data.channels from such a document. Absent keys have the defaults
// of openaimodel.py and ddpm.py (CompVis/stable-diffusion). Throws CheckpointError "<name>: <key>
// ..." for what is not supported here.
void apply_compvis_config(const nlohmann::json& document, const std::string& name, Config& config);

// Which published network this is, by its shapes alone: "Stable Diffusion 1", "Stable Diffusion XL,
// refiner". Another network with transformers is described by the width of its context.
std::string describe_stable_diffusion(const ModelConfig& model, std::int64_t channels);

// What the tensors beside the network tell about its predictions: a tensor `v_pred` means that it
// predicts the velocity, and `ztsnr` that the schedule ends in pure noise. In a network like Stable
// Diffusion 2's, a bias that spreads widely means the velocity too: the norm of the last
// transformer at the full resolution, with a deviation above 0.09 (a rule found in ComfyUI). Sets
// diffusion.* and returns what it was set by, for the log; empty: nothing was set.
std::string apply_prediction_marks(const TensorSet& file, const TensorSet& network, Config& config);

}  // namespace ddpm
