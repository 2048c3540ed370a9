#include "repeat.h"

#include <charconv>

#include "ddpm/base/text.h"
#include "ddpm/config/samplers.h"
#include "ddpm/formats/generation_parameters.h"
#include "ddpm/image/codec.h"

namespace ddpm::cli {
namespace {

GenerationParameters parameters_of(const fs::path& picture) {
  for (const auto& [keyword, text] : read_png_text(picture))
    if (keyword == "parameters") return parse_generation_parameters(text);
  throw DataError(format_text(
      "{}: the picture does not tell how it was drawn: there is no text 'parameters' in it",
      shown(picture)));
}

template <class Number>
std::optional<Number> number_of(const GenerationParameters& parameters, const char* key,
                                const fs::path& picture) {
  const std::string* text = parameters.find(key);
  if (text == nullptr) return std::nullopt;
  Number value = 0;
  const char* end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end)
    throw DataError(format_text("{}: its parameters have the {} '{}', which is no number",
                                shown(picture), key, shorten(*text)));
  return value;
}

template <class Value>
void set_default(std::optional<Value>& option, const std::optional<Value>& value) {
  if (!option) option = value;
}

std::optional<std::string> text_of(const GenerationParameters& parameters, const char* key) {
  const std::string* text = parameters.find(key);
  return text == nullptr ? std::nullopt : std::optional(*text);
}

// Its text, once it is known to be a number.
std::optional<std::string> steps_of(const GenerationParameters& parameters,
                                    const fs::path& picture) {
  static_cast<void>(number_of<std::int64_t>(parameters, "Steps", picture));
  return text_of(parameters, "Steps");
}

// "Karras" or "Exponential"; webui has other words too, which mean the sampler's own levels.
std::optional<std::string> sigmas_of(const GenerationParameters& parameters) {
  const std::optional<std::string> type = text_of(parameters, "Schedule type");
  if (!type || !parse_choice<SigmaSpacing>(lower_case(*type))) return std::nullopt;
  return lower_case(*type);
}

}  // namespace

std::int64_t repeat_picture(const fs::path& picture, DrawingOptions& options) {
  const GenerationParameters parameters = parameters_of(picture);
  TextOptions& text = options.text;
  if (!text.has_prompt()) text.prompts = {parameters.prompt};
  if (!parameters.negative_prompt.empty())
    set_default(text.negative, std::optional(parameters.negative_prompt));
  set_default(text.clip_skip, number_of<std::int64_t>(parameters, "Clip skip", picture));
  SamplingOptions& sampling = options.sampling;
  if (!sampling.timesteps) set_default(sampling.steps, steps_of(parameters, picture));
  set_default(sampling.guidance, number_of<double>(parameters, "CFG scale", picture));
  if (!sampling.sampler) {
    sampling.sampler = text_of(parameters, "Sampler");
    set_default(sampling.sigmas, sigmas_of(parameters));
    set_default(sampling.sigma_max, number_of<double>(parameters, "Schedule max sigma", picture));
    set_default(sampling.sigma_min, number_of<double>(parameters, "Schedule min sigma", picture));
  }
  set_default(options.common.seed, number_of<std::int64_t>(parameters, "Seed", picture));
  set_default(options.common.image_size, text_of(parameters, "Size"));
  for (const auto& [key, value] : parameters.settings) {
    if (key == "LoRA")
      text.loras.push_back(value);
    else if (key == "Embedding")
      text.embeddings.push_back(value);
  }
  return number_of<std::int64_t>(parameters, "Index", picture).value_or(0);
}

void compare_model(const fs::path& picture, const LoadedModel& model) {
  const std::optional<std::string> hash = text_of(parameters_of(picture), "Model hash");
  if (!hash || model.sha256.get().starts_with(*hash)) return;
  log_warning("{}: it was drawn with other weights: the model's hash was {}, and is {}",
              shown(picture), shorten(*hash), model.sha256.get().substr(0, 10));
}

}  // namespace ddpm::cli
