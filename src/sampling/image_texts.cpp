#include "image_texts.h"

#include <cctype>

#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/base/version.h"
#include "ddpm/config/samplers.h"
#include "ddpm/formats/generation_parameters.h"
#include "ddpm/sampling/setup.h"

namespace ddpm {
namespace {

std::string list_of(const std::vector<std::int64_t>& numbers) {
  std::vector<std::string> parts;
  for (const std::int64_t number : numbers) parts.push_back(std::to_string(number));
  return join(parts, ",");
}

// The images of one file can have different classes.
void add_class(const LoadedModel& model, const SampleRequest& request, std::int64_t index,
               bool one_image, PngText& text) {
  const std::vector<std::int64_t>& dealt = request.classes;
  const bool one_class =
      one_image || dealt.size() == 1 || (dealt.empty() && model.config.sampling.class_label >= 0);
  const torch::Tensor labels =
      class_labels(model.config, static_cast<std::uint64_t>(model.config.run.seed),
                   static_cast<std::uint64_t>(index), 1, torch::kCPU, dealt);
  if (one_class && labels.defined())
    text.emplace_back("class", std::to_string(labels.item<std::int64_t>()));
  else if (!dealt.empty())
    text.emplace_back("classes", list_of(dealt));
}

void add_guidance(const LoadedModel& model, const SampleRequest& request, PngText& text) {
  const SamplingConfig& sampling = model.config.sampling;
  if (sampling.guidance == 1) return;
  text.emplace_back("guidance", format_text("{}", sampling.guidance));
  if (sampling.guidance_rescale > 0)
    text.emplace_back("guidance_rescale", format_text("{}", sampling.guidance_rescale));
  if (sampling.guidance_low > 0 || sampling.guidance_high > 0)
    text.emplace_back(
        "guidance_interval",
        format_text(
            "{},{}", sampling.guidance_low,
            sampling.guidance_high > 0 ? format_text("{}", sampling.guidance_high) : "inf"));
  if (request.guide != nullptr)
    text.emplace_back("guide_model_sha256", request.guide->sha256.get());
  else if (sampling.negative_class >= 0)
    text.emplace_back("negative_class", std::to_string(sampling.negative_class));
}

std::string size_of(const LoadedModel& model, const SampleRequest& request) {
  const DataConfig pictures = data_of_pictures(model.config.data, request.autoencoder);
  return format_text("{}x{}", pictures.width, pictures.height);
}

// What webui and programs that read its texts call the sampler.
std::vector<std::pair<std::string, std::string>> sampler_settings(const SamplingConfig& sampling) {
  const std::string_view webui = facts_of(sampling.sampler).webui;
  std::vector<std::pair<std::string, std::string>> settings = {
      {"Sampler", std::string(webui.empty() ? name_of(sampling.sampler) : webui)}};
  if (sampling.sigmas == SigmaSpacing::kSchedule) return settings;
  std::string sigmas(name_of(sampling.sigmas));
  sigmas.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(sigmas.front())));
  settings.emplace_back("Schedule type", sigmas);
  for (const auto& [key, limit] : {std::pair{"Schedule max sigma", sampling.sigma_max},
                                   {"Schedule min sigma", sampling.sigma_min}})
    if (limit > 0) settings.emplace_back(key, format_text("{}", limit));
  return settings;
}

// The prompt of one image, alone and with everything else in the form that webui writes; of several
// images with several prompts these alone.
void add_prompt(const LoadedModel& model, const SampleRequest& request, std::int64_t index,
                bool one_image, PngText& text) {
  if (request.prompts.empty()) return;
  if (!one_image && request.prompts.size() > 1) {
    std::vector<std::string> all;
    for (const EncodedPrompt& prompt : request.prompts) all.push_back(prompt.prompt);
    text.emplace_back("prompts", join(all, "\n"));
    return;
  }
  const EncodedPrompt& prompt = prompt_of(request.prompts, index);
  const SamplingConfig& sampling = model.config.sampling;
  GenerationParameters parameters{.prompt = prompt.prompt,
                                  .negative_prompt = prompt.negative_prompt};
  parameters.settings.emplace_back("Steps", std::to_string(steps_of(model.config)));
  for (auto& setting : sampler_settings(sampling)) parameters.settings.push_back(setting);
  for (const auto& [key, value] : {std::pair{"CFG scale", format_text("{}", sampling.guidance)},
                                   {"Seed", std::to_string(model.config.run.seed)},
                                   {"Index", std::to_string(index)},
                                   {"Size", size_of(model, request)},
                                   {"Model hash", model.sha256.get().substr(0, 10)},
                                   {"Model", model.path.stem().string()}})
    parameters.settings.emplace_back(key, value);
  for (const auto& setting : prompt.settings) parameters.settings.push_back(setting);
  parameters.settings.emplace_back("Version", "ddpm " + version_info().program);
  text.emplace_back("prompt", prompt.prompt);
  text.emplace_back("negative_prompt", prompt.negative_prompt);
  text.emplace_back("parameters", to_text(parameters));
}

}  // namespace

std::int64_t steps_of(const Config& config) {
  return step_count(config.sampling, config.diffusion.timesteps);
}

PngText special_texts(const LoadedModel& model, const SampleRequest& request) {
  PngText text;
  add_guidance(model, request, text);
  if (request.variation) {
    text.emplace_back("variation_of", std::to_string(request.variation->of));
    text.emplace_back("variation_amount", format_text("{}", request.variation->amount));
  }
  for (const auto& [key, value] : request.told) text.emplace_back(key, printable(value));
  return text;
}

PngText image_texts(const LoadedModel& model, const SampleRequest& request, std::int64_t index,
                    bool one_image) {
  const SamplingConfig& sampling = model.config.sampling;
  PngText text = {{"Software", "ddpm"},
                  {"seed", std::to_string(model.config.run.seed)},
                  {"index", std::to_string(index)},
                  {"sampler", std::string(name_of(sampling.sampler))},
                  {"steps", std::to_string(steps_of(model.config))},
                  {"weights", std::string(name_of(model.kind))},
                  {"model_sha256", model.sha256.get()}};
  if (sampling.sampler == SamplerKind::kDdim)
    text.emplace_back("eta", format_text("{}", sampling.eta));
  if (sampling.churn > 0) text.emplace_back("churn", format_text("{}", sampling.churn));
  if (!sampling.timesteps.empty()) text.emplace_back("timesteps", list_of(sampling.timesteps));
  if (sampling.sigmas != SigmaSpacing::kSchedule) {
    text.emplace_back("sigmas", std::string(name_of(sampling.sigmas)));
    for (const auto& [key, limit] :
         {std::pair{"sigma_min", sampling.sigma_min}, {"sigma_max", sampling.sigma_max}})
      if (limit > 0) text.emplace_back(key, format_text("{}", limit));
  }
  add_class(model, request, index, one_image, text);
  add_prompt(model, request, index, one_image, text);
  for (auto& pair : special_texts(model, request)) text.push_back(std::move(pair));
  return text;
}

}  // namespace ddpm
