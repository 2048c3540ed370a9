#include "solvers.h"

#include <optional>
#include <vector>

#include "ddpm/base/format.h"
#include "ddpm/config/samplers.h"
#include "words.h"

namespace ddpm {
namespace {

using nlohmann::json;

// A key that must have this value; absent, it has it.
struct OnlyValue {
  const char* key;
  json value;
};

// What the solvers leave out of each class.
std::vector<OnlyValue> only_values(SamplerKind kind) {
  switch (kind) {
    case SamplerKind::kEuler:
      return {{"interpolation_type", "linear"},
              {"timestep_type", "discrete"},
              {"sigma_min", nullptr},
              {"sigma_max", nullptr},
              {"final_sigmas_type", "zero"}};
    case SamplerKind::kHeun:
      return {{"clip_sample_range", 1.0}};
    case SamplerKind::kDeis:
      return {{"solver_order", 2},
              {"algorithm_type", "deis"},
              {"solver_type", "logrho"},
              {"lower_order_final", true},
              {"use_flow_sigmas", false}};
    case SamplerKind::kDpmSolver2m:
    case SamplerKind::kDpmSolver3m:
    case SamplerKind::kDpmSolver2mSde:
    case SamplerKind::kDpmSolver3mSde:
      return {{"solver_type", "midpoint"},   {"lower_order_final", true},
              {"final_sigmas_type", "zero"}, {"use_lu_lambdas", false},
              {"use_flow_sigmas", false},    {"variance_type", nullptr}};
    case SamplerKind::kUnipc:
      return {{"solver_order", 2},
              {"predict_x0", true},
              {"solver_type", "bh2"},
              {"lower_order_final", true},
              {"disable_corrector", json::array()},
              {"solver_p", nullptr},
              {"final_sigmas_type", "zero"},
              {"use_flow_sigmas", false}};
    case SamplerKind::kPlms:
      return {{"set_alpha_to_one", false},
              {"timestep_spacing", "leading"},
              {"prediction_type", "epsilon"}};
    case SamplerKind::kLcm:
      return {
          {"original_inference_steps", 50}, {"timestep_scaling", 10.0}, {"clip_sample_range", 1.0}};
    case SamplerKind::kDdpm:
    case SamplerKind::kDdim:
    case SamplerKind::kEulerAncestral:
    case SamplerKind::kDpm2:
    case SamplerKind::kDpm2Ancestral:
    case SamplerKind::kDpmSolverSde:
    case SamplerKind::kLms:
    case SamplerKind::kIpndm:
      break;
  }
  return {};
}

// Nothing if this program has no such sampler.
std::optional<SamplerKind> kind_of(JsonKeys& keys, const std::string& class_name) {
  std::optional<SamplerKind> found;
  for (const SamplerKind kind : kChoices<SamplerKind>)
    if (facts_of(kind).scheduler == class_name) found = kind;
  if (found == SamplerKind::kPlms && !keys.boolean("skip_prk_steps", false)) return std::nullopt;
  if (found != SamplerKind::kDpmSolver2m) return found;
  const std::string algorithm = keys.text("algorithm_type", "dpmsolver++");
  const std::int64_t order = keys.integer("solver_order", 2);
  if (algorithm == "dpmsolver++" && order == 2) return SamplerKind::kDpmSolver2m;
  if (algorithm == "dpmsolver++" && order == 3) return SamplerKind::kDpmSolver3m;
  if (algorithm == "sde-dpmsolver++" && order == 2) return SamplerKind::kDpmSolver2mSde;
  if (algorithm == "sde-dpmsolver++" && order == 3) return SamplerKind::kDpmSolver3mSde;
  return std::nullopt;
}

}  // namespace

std::string apply_solver(JsonKeys& keys, const std::string& class_name, Config& config) {
  const std::optional<SamplerKind> kind = kind_of(keys, class_name);
  if (!kind) return "this program has no such sampler";
  std::vector<OnlyValue> required = only_values(*kind);
  required.push_back({"use_beta_sigmas", false});
  for (const OnlyValue& only : required)
    if (const json* value = keys.find(only.key); value && !value->is_null() && *value != only.value)
      return format_text("{} = {} is not supported", only.key, shorten(value->dump()));
  const auto spacing =
      value_of(kSpacings,
               keys.text("timestep_spacing", *kind == SamplerKind::kPlms ? "leading" : "linspace"));
  if (!spacing) keys.fail("timestep_spacing", "must be leading, trailing or linspace");
  SamplingConfig& sampling = config.sampling;
  sampling.sampler = *kind;
  sampling.spacing = *spacing;
  sampling.steps_offset = keys.integer("steps_offset", 0);
  if (sampling.steps_offset < 0 || sampling.steps_offset > 1'000'000)
    keys.fail("steps_offset", "must be in [0, 1000000]");
  if (keys.boolean("use_karras_sigmas", false)) sampling.sigmas = SigmaSpacing::kKarras;
  if (keys.boolean("use_exponential_sigmas", false)) sampling.sigmas = SigmaSpacing::kExponential;
  return "";
}

}  // namespace ddpm
