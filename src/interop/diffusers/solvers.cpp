#include "solvers.h"

#include <optional>
#include <vector>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/config/fields.h"
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

// What the classes can represent.
struct ClassAbilities {
  bool sigmas = true;       // use_karras_sigmas and its like
  bool limits = true;       // sigma_min and sigma_max, which only Euler's has as arguments
  bool clips = false;       // clip_sample
  bool thresholds = false;  // thresholding
  bool zero_snr = false;    // rescale_betas_zero_snr
  bool images = true;       // prediction_type sample
};
ClassAbilities abilities_of(SamplerKind kind) {
  switch (kind) {
    case SamplerKind::kEuler:
      return {.zero_snr = true};
    case SamplerKind::kEulerAncestral:
      return {.sigmas = false, .zero_snr = true, .images = false};
    case SamplerKind::kHeun:
      return {.clips = true};
    case SamplerKind::kDpm2:
    case SamplerKind::kDpm2Ancestral:
      return {.images = false};
    case SamplerKind::kDpmSolverSde:
      return {.limits = false, .images = false};
    case SamplerKind::kDeis:
      return {.thresholds = true};
    case SamplerKind::kDpmSolver2m:
    case SamplerKind::kDpmSolver3m:
    case SamplerKind::kDpmSolver2mSde:
    case SamplerKind::kDpmSolver3mSde:
    case SamplerKind::kUnipc:
      return {.thresholds = true, .zero_snr = true};
    case SamplerKind::kLcm:
      return {.sigmas = false, .clips = true, .thresholds = true, .zero_snr = true};
    case SamplerKind::kPlms:
      return {.sigmas = false};
    case SamplerKind::kDdpm:
    case SamplerKind::kDdim:
    case SamplerKind::kIpndm:
      break;
    case SamplerKind::kLms:
      return {.limits = false};
  }
  return {};
}

// A noise level, or 0 where the process decides.
double limit_of(JsonKeys& keys, const char* key) {
  const json* value = keys.find(key);
  if (value == nullptr || value->is_null()) return 0;
  const double limit = keys.number(key, 0);
  if (!(limit > 0 && limit <= 1e9)) keys.fail(key, "must be in (0, 1e9], or null");
  return limit;
}

// Refuses a setting that the class of the sampler cannot represent.
void require(bool can, const Config& config, const char* key, const std::string& mend) {
  if (can) return;
  throw ConfigError(format_text("{} = {}: diffusers' {} cannot do that; {}", key,
                                value_text(find_field(key)->value(config)),
                                solver_class(config.sampling.sampler), mend));
}

void check_abilities(const Config& config, const ClassAbilities& can) {
  const DiffusionConfig& diffusion = config.diffusion;
  const SamplingConfig& sampling = config.sampling;
  const bool thresholds = diffusion.dynamic_threshold > 0;
  const std::string other = "choose another sampler, such as ";
  require(diffusion.schedule != BetaSchedule::kSigmoid, config, "diffusion.schedule",
          "only DDPMScheduler has it, --sampler ddpm");
  require(!diffusion.zero_terminal_snr || can.zero_snr, config, "diffusion.zero_terminal_snr",
          other + "dpm++2m or unipc");
  require(diffusion.prediction_type != Prediction::kImage || can.images, config,
          "diffusion.prediction_type", other + "dpm++2m or unipc");
  require(!config.model.predicts_variance, config, "model.predicts_variance",
          "only DDPMScheduler takes it, --sampler ddpm");
  require(!thresholds || can.thresholds, config, "diffusion.dynamic_threshold",
          other + "dpm++2m or unipc");
  require(thresholds || !diffusion.clip_x0 || can.clips || can.thresholds, config,
          "diffusion.clip_x0",
          "set diffusion.clip_x0=false, or " + other + "dpm++2m, heun or unipc");
  require(sampling.sigmas == SigmaSpacing::kSchedule || can.sigmas, config, "sampling.sigmas",
          other + "euler");
  const bool has_limits = sampling.sigmas != SigmaSpacing::kSchedule &&
                          (sampling.sigma_min > 0 || sampling.sigma_max > 0);
  require(!has_limits || can.limits, config, "sampling.sigma_max",
          "set it and sampling.sigma_min to 0, or " + other + "euler");
  require(sampling.churn == 0, config, "sampling.churn",
          "its churn is an argument of a step; set sampling.churn=0");
}

}  // namespace

std::string solver_class(SamplerKind kind) {
  switch (kind) {
    case SamplerKind::kDpmSolver3m:
    case SamplerKind::kDpmSolver2mSde:
    case SamplerKind::kDpmSolver3mSde:
      return solver_class(SamplerKind::kDpmSolver2m);
    default:
      break;
  }
  const std::string_view name = facts_of(kind).scheduler;
  if (name.empty())
    throw ConfigError(
        format_text("sampling.sampler = \"{}\": diffusers has no such scheduler; choose another "
                    "sampler, such as --sampler dpm++2m",
                    kind));
  return std::string(name);
}

json solver_keys(const Config& config) {
  const SamplerKind kind = config.sampling.sampler;
  const DiffusionConfig& diffusion = config.diffusion;
  const ClassAbilities can = abilities_of(kind);
  check_abilities(config, can);
  json keys = json::object();
  for (const OnlyValue& only : only_values(kind)) keys[only.key] = only.value;
  if (kind == SamplerKind::kPlms) {
    require(config.sampling.spacing == Spacing::kLeading, config, "sampling.spacing",
            "set sampling.spacing=leading");
    require(diffusion.prediction_type == Prediction::kNoise, config, "diffusion.prediction_type",
            "it averages predictions of different timesteps; choose another sampler");
    keys["skip_prk_steps"] = true;
  }
  if (solver_class(kind) == solver_class(SamplerKind::kDpmSolver2m)) {
    const bool third = kind == SamplerKind::kDpmSolver3m || kind == SamplerKind::kDpmSolver3mSde;
    keys["algorithm_type"] = facts_of(kind).adds_noise ? "sde-dpmsolver++" : "dpmsolver++";
    keys["solver_order"] = third ? 3 : 2;
  }
  if (can.sigmas) {
    keys["use_karras_sigmas"] = config.sampling.sigmas == SigmaSpacing::kKarras;
    keys["use_exponential_sigmas"] = config.sampling.sigmas == SigmaSpacing::kExponential;
    keys["use_beta_sigmas"] = false;
  }
  for (const auto& [key, limit] : {std::pair{"sigma_min", config.sampling.sigma_min},
                                   {"sigma_max", config.sampling.sigma_max}})
    if (can.limits && can.sigmas && limit > 0) keys[key] = limit;
  const bool thresholds = diffusion.dynamic_threshold > 0;
  if (can.clips) keys["clip_sample"] = diffusion.clip_x0 && !thresholds;
  if (can.thresholds) {
    // Thresholds of at most 1 clip to [-1, 1].
    keys["thresholding"] = thresholds || (diffusion.clip_x0 && !can.clips);
    keys["dynamic_thresholding_ratio"] = thresholds ? diffusion.dynamic_threshold : 0.995;
    keys["sample_max_value"] = thresholds ? diffusion.dynamic_threshold_max : 1.0;
  }
  if (can.zero_snr) keys["rescale_betas_zero_snr"] = diffusion.zero_terminal_snr;
  return keys;
}

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
  if (abilities_of(*kind).limits) {
    sampling.sigma_min = limit_of(keys, "sigma_min");
    sampling.sigma_max = limit_of(keys, "sigma_max");
  }
  return "";
}

}  // namespace ddpm
