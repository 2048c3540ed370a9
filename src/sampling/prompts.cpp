#include "ddpm/sampling/prompts.h"

#include <algorithm>
#include <sstream>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/weight_file.h"
#include "ddpm/interop/lora.h"
#include "ddpm/io/merge_lora.h"

namespace ddpm {
namespace {

// Every weight that a LoRA may change, with the names that files give it.
struct ChangeableWeights {
  std::vector<LoraModule> modules;
  std::vector<torch::Tensor> tensors;

  void add(const std::vector<NamedTensor>& weights, std::vector<LoraModule> names) {
    std::ranges::move(names, std::back_inserter(modules));
    for (const NamedTensor& weight : weights) tensors.push_back(weight.tensor);
  }
};

std::vector<std::string> names_of(const std::vector<NamedTensor>& weights) {
  std::vector<std::string> names;
  for (const NamedTensor& weight : weights) names.push_back(weight.name);
  return names;
}

ChangeableWeights weights_of(const LoadedModel& model, const TextEncoders& encoders) {
  ChangeableWeights all;
  const std::vector<NamedTensor> unet = model.weights();
  all.add(unet, unet_lora_modules(model.config.model, names_of(unet)));
  for (std::size_t i = 0; i < encoders.count(); ++i) {
    const std::vector<NamedTensor> text = encoders.weights(i);
    all.add(text,
            text_lora_modules(i == 0 ? LoraNetwork::kText : LoraNetwork::kText2, names_of(text)));
  }
  return all;
}

void merge(const LoraFile& lora, const ChangeableWeights& weights) {
  const TensorSet file = read_state_dicts(lora.path).front().set;
  const std::vector<LoraUpdate> updates = read_lora(file, weights.modules);
  merge_lora(updates, lora.strength, weights.tensors, lora.path);
  log_info("{}: {} changed, times {}", shown(lora.path), counted(std::ssize(updates), "weight"),
           lora.strength);
}

torch::Tensor row_tensors(const std::vector<EncodedPrompt>& prompts, std::int64_t first,
                          std::int64_t count, torch::Tensor Condition::*member) {
  std::vector<torch::Tensor> rows;
  for (std::int64_t i = first; i < first + count; ++i)
    rows.push_back(prompt_of(prompts, i).condition.*member);
  return rows.front().defined() ? torch::cat(rows) : torch::Tensor();
}

std::vector<std::pair<std::string, std::string>> settings_of(const PromptRequest& request) {
  std::vector<std::pair<std::string, std::string>> settings;
  if (request.clip_skip > 1) settings.emplace_back("Clip skip", std::to_string(request.clip_skip));
  for (const LoraFile& lora : request.loras)
    settings.emplace_back("LoRA", format_text("{}:{}", shown(lora.path), lora.strength));
  for (const std::filesystem::path& path : request.embeddings)
    settings.emplace_back("Embedding", shown(path));
  return settings;
}

}  // namespace

std::vector<EncodedPrompt> encode_prompts(const LoadedModel& model, const PromptRequest& request) {
  const TextEncoderFiles files = open_text_encoders(request.encoders);
  if (files.encoders.empty())
    throw ConfigError(format_text(
        "{}: there is no text encoder in it, which has to read the prompt; --text-encoder PATH names "
        "another place (docs/stable-diffusion.md)",
        shown(request.encoders)));
  TextEncoders encoders(files, model.runtime);
  if (!request.loras.empty()) {
    const ChangeableWeights weights = weights_of(model, encoders);
    for (const LoraFile& lora : request.loras) merge(lora, weights);
  }
  for (const std::filesystem::path& path : request.embeddings) {
    const TextEmbedding embedding = open_embedding(path);
    encoders.add(embedding);
    log_info("{}: the word '{}' is {}", shown(path), embedding.word,
             counted(embedding.vectors.front().size(0), "vector"));
  }
  const std::int64_t skip = request.clip_skip;
  const EncodedText negative = request.negative_prompt
                                   ? encoders.encode(*request.negative_prompt, skip)
                                   : encoders.encode_absent(skip);
  std::vector<EncodedPrompt> encoded;
  for (const std::string& prompt : request.prompts) {
    const EncodedText text = encoders.encode(prompt, skip);
    const std::int64_t tokens = std::max(text.context.size(1), negative.context.size(1));
    const auto condition = [&](const EncodedText& each) {
      return text_condition(model.config.model, encoders.filled(each, tokens, skip), request.sizes);
    };
    encoded.push_back({.prompt = prompt,
                       .negative_prompt = request.negative_prompt.value_or(""),
                       .condition = condition(text),
                       .negative = condition(negative),
                       .settings = settings_of(request)});
  }
  return encoded;
}

std::vector<std::string> lines_of(const std::string& text, const std::string& option) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.find_first_not_of(" \t") != std::string::npos) lines.push_back(line);
  }
  if (lines.empty()) throw ConfigError(option + ": there is no prompt in it, one a line");
  return lines;
}

Condition rows_of(const std::vector<EncodedPrompt>& prompts, std::int64_t first,
                  std::int64_t count) {
  return {.context = row_tensors(prompts, first, count, &Condition::context),
          .vector = row_tensors(prompts, first, count, &Condition::vector)};
}

std::int64_t images_alike(const std::vector<EncodedPrompt>& prompts, std::int64_t first,
                          std::int64_t most) {
  const auto tokens = [&](std::int64_t i) {
    return prompt_of(prompts, i).condition.context.size(1);
  };
  std::int64_t count = 1;
  while (count < most && tokens(first + count) == tokens(first)) ++count;
  return count;
}

}  // namespace ddpm
