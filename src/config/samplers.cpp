#include "ddpm/config/samplers.h"

#include <array>
#include <optional>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

// In the order of SamplerKind.
constexpr std::array<SamplerFacts, kChoices<SamplerKind>.size()> kFacts = {
    {{.when = "the process itself; best with all or hundreds of steps",
      .scheduler = "DDPMScheduler",
      .takes_sigmas = false,
      .adds_noise = true},
     {.when = "simple and robust, from 20 steps",
      .scheduler = "DDIMScheduler",
      .webui = "DDIM",
      .takes_sigmas = false},
     {.when = "as ddim, with a choice of noise levels",
      .scheduler = "EulerDiscreteScheduler",
      .webui = "Euler",
      .takes_churn = true},
     {.when = "euler with new noise in each step",
      .scheduler = "EulerAncestralDiscreteScheduler",
      .webui = "Euler a",
      .adds_noise = true},
     {.when = "accurate from 15 steps, with --sigmas karras",
      .scheduler = "HeunDiscreteScheduler",
      .webui = "Heun",
      .evaluations = 2,
      .takes_churn = true},
     {.when = "as heun, better with fewer steps",
      .scheduler = "KDPM2DiscreteScheduler",
      .webui = "DPM2",
      .evaluations = 2},
     {.when = "dpm2 with new noise in each step",
      .scheduler = "KDPM2AncestralDiscreteScheduler",
      .webui = "DPM2 a",
      .evaluations = 2,
      .adds_noise = true},
     {.when = "as euler, with the memory of four steps",
      .scheduler = "LMSDiscreteScheduler",
      .webui = "LMS"},
     {.when = "few steps, with the memory of four; ends at the clean image", .takes_sigmas = false},
     {.when = "as ipndm, as Stable Diffusion was published",
      .scheduler = "PNDMScheduler",
      .webui = "PLMS",
      .takes_sigmas = false},
     {.when = "few steps, with the memory of two", .scheduler = "DEISMultistepScheduler"},
     {.when = "few steps, from 10: a good first choice",
      .scheduler = "DPMSolverMultistepScheduler",
      .webui = "DPM++ 2M"},
     {.when = "as dpm++2m, with the memory of three steps"},
     {.when = "as dpm++2m with new noise in each step",
      .webui = "DPM++ 2M SDE",
      .adds_noise = true},
     {.when = "as dpm++2m-sde, with the memory of three steps; from 20",
      .webui = "DPM++ 3M SDE",
      .adds_noise = true},
     {.when = "new noise in both halves of each step; from 10 steps",
      .scheduler = "DPMSolverSDEScheduler",
      .webui = "DPM++ SDE",
      .evaluations = 2,
      .adds_noise = true},
     {.when = "few steps, from 8; corrects each step at no cost",
      .scheduler = "UniPCMultistepScheduler",
      .webui = "UniPC"},
     {.when = "1 to 8 steps; only for latent consistency models",
      .scheduler = "LCMScheduler",
      .webui = "LCM",
      .takes_sigmas = false,
      .adds_noise = true,
      .takes_spacing = false}}};

// The sampler of webui's name, in lower case, without noise levels.
std::optional<SamplerKind> find_webui_sampler(std::string_view name) {
  for (const SamplerKind kind : kChoices<SamplerKind>)
    if (!facts_of(kind).webui.empty() && name == lower_case(std::string(facts_of(kind).webui)))
      return kind;
  return std::nullopt;
}

std::vector<std::string> names_of_those_with(bool SamplerFacts::*fact) {
  std::vector<std::string> names;
  for (const SamplerKind kind : kChoices<SamplerKind>)
    if (facts_of(kind).*fact) names.emplace_back(name_of(kind));
  return names;
}

}  // namespace

const SamplerFacts& facts_of(SamplerKind kind) { return kFacts.at(static_cast<std::size_t>(kind)); }

std::int64_t step_count(const SamplingConfig& sampling, std::int64_t timesteps) {
  if (!sampling.timesteps.empty()) return static_cast<std::int64_t>(sampling.timesteps.size());
  return sampling.steps > 0 ? sampling.steps : timesteps;
}

std::vector<std::string> samplers_with_sigmas() {
  return names_of_those_with(&SamplerFacts::takes_sigmas);
}

std::vector<std::string> samplers_with_churn() {
  return names_of_those_with(&SamplerFacts::takes_churn);
}

std::string list_of_samplers() {
  std::string text = format_text("{:<13}{:<13}{:<7}{}\n", "sampler", "evaluations", "noise", "use");
  for (const SamplerKind kind : kChoices<SamplerKind>) {
    const SamplerFacts& facts = facts_of(kind);
    const std::string_view noise = kind == SamplerKind::kDdim ? "eta"
                                   : facts.adds_noise         ? "yes"
                                   : facts.takes_churn        ? "churn"
                                                              : "no";
    text +=
        format_text("{:<13}{:<13}{:<7}{}\n", name_of(kind), facts.evaluations, noise, facts.when);
  }
  return text +
         "evaluations: how often a step runs the network; noise: whether steps draw new noise\n";
}

NamedSampler find_sampler(std::string_view name) {
  std::vector<std::string> known;
  for (const SamplerKind kind : kChoices<SamplerKind>) {
    const SamplerFacts& facts = facts_of(kind);
    for (const std::string_view each : {name_of(kind), facts.scheduler}) {
      if (each.empty()) continue;
      if (name == each) return {.kind = kind};
      known.emplace_back(each);
    }
    if (!facts.webui.empty()) known.emplace_back(facts.webui);
  }
  std::string plain = lower_case(std::string(name));
  std::optional<SigmaSpacing> sigmas;
  for (const SigmaSpacing spacing : {SigmaSpacing::kKarras, SigmaSpacing::kExponential})
    if (const std::string ending = " " + std::string(name_of(spacing)); plain.ends_with(ending)) {
      plain.resize(plain.size() - ending.size());
      sigmas = spacing;
    }
  if (const std::optional<SamplerKind> kind = find_webui_sampler(plain))
    return {.kind = *kind, .sigmas = sigmas};
  const std::string given = shorten(name), likely = nearest(name, known);
  throw ConfigError(
      likely.empty()
          ? format_text("--sampler: unknown '{}'; choose from {}; --list-samplers describes them",
                        given, join_names(kChoiceNames<SamplerKind>))
          : format_text("--sampler: unknown '{}'; did you mean '{}'?", given, likely));
}

SamplingConfig with_sampler(SamplingConfig sampling, SamplerKind sampler, std::int64_t steps) {
  sampling.sampler = sampler;
  sampling.steps = steps;
  sampling.timesteps.clear();
  sampling.sigmas = SigmaSpacing::kSchedule;
  sampling.sigma_min = 0;
  sampling.sigma_max = 0;
  sampling.variance = SamplingVariance::kAuto;
  sampling.eta = 0;
  sampling.churn = 0;
  return sampling;
}

}  // namespace ddpm
