#include "ddpm/config/samplers.h"

#include <array>

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
      .takes_sigmas = false},
     {.when = "as ddim, with a choice of noise levels", .scheduler = "EulerDiscreteScheduler"},
     {.when = "euler with new noise in each step",
      .scheduler = "EulerAncestralDiscreteScheduler",
      .adds_noise = true},
     {.when = "accurate from 15 steps, with --sigmas karras",
      .scheduler = "HeunDiscreteScheduler",
      .evaluations = 2},
     {.when = "as heun, better with fewer steps",
      .scheduler = "KDPM2DiscreteScheduler",
      .evaluations = 2},
     {.when = "as euler, with the memory of four steps", .scheduler = "LMSDiscreteScheduler"},
     {.when = "few steps, with the memory of four; ends at the clean image", .takes_sigmas = false},
     {.when = "as ipndm, as Stable Diffusion was published",
      .scheduler = "PNDMScheduler",
      .takes_sigmas = false},
     {.when = "few steps, with the memory of two", .scheduler = "DEISMultistepScheduler"},
     {.when = "few steps, from 10: a good first choice",
      .scheduler = "DPMSolverMultistepScheduler"},
     {.when = "as dpm++2m, with the memory of three steps"},
     {.when = "as dpm++2m with new noise in each step", .adds_noise = true},
     {.when = "few steps, from 8; corrects each step at no cost",
      .scheduler = "UniPCMultistepScheduler"}}};

}  // namespace

const SamplerFacts& facts_of(SamplerKind kind) { return kFacts.at(static_cast<std::size_t>(kind)); }

std::vector<std::string> samplers_with_sigmas() {
  std::vector<std::string> names;
  for (const SamplerKind kind : kChoices<SamplerKind>)
    if (facts_of(kind).takes_sigmas) names.emplace_back(name_of(kind));
  return names;
}

std::string list_of_samplers() {
  std::string text = format_text("{:<13}{:<13}{:<7}{}\n", "sampler", "evaluations", "noise", "use");
  for (const SamplerKind kind : kChoices<SamplerKind>) {
    const SamplerFacts& facts = facts_of(kind);
    const std::string_view noise = kind == SamplerKind::kDdim ? "eta"
                                   : facts.adds_noise         ? "yes"
                                                              : "no";
    text +=
        format_text("{:<13}{:<13}{:<7}{}\n", name_of(kind), facts.evaluations, noise, facts.when);
  }
  return text +
         "evaluations: how often a step runs the network; noise: whether steps draw new noise\n";
}

SamplerKind find_sampler(std::string_view name) {
  std::vector<std::string> known;
  for (const SamplerKind kind : kChoices<SamplerKind>) {
    const std::string_view scheduler = facts_of(kind).scheduler;
    if (name == name_of(kind) || (!scheduler.empty() && name == scheduler)) return kind;
    known.emplace_back(name_of(kind));
    if (!scheduler.empty()) known.emplace_back(scheduler);
  }
  const std::string given = shorten(name), likely = nearest(name, known);
  throw ConfigError(
      likely.empty()
          ? format_text("--sampler: unknown '{}'; choose from {}; --list-samplers describes them",
                        given, join_names(kChoiceNames<SamplerKind>))
          : format_text("--sampler: unknown '{}'; did you mean '{}'?", given, likely));
}

}  // namespace ddpm
