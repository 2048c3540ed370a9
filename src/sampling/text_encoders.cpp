#include "ddpm/sampling/text_encoders.h"

#include <algorithm>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/io/weights.h"
#include "ddpm/nn/embeddings.h"
#include "ddpm/tokenizer/prompt_weights.h"

namespace ddpm {
namespace {

BoundNetwork<ClipText> load(const TextEncoderFile& file, const Runtime& runtime) {
  if (file.tokenizer.vocabulary().size() > file.config.tokens)
    throw CheckpointError(
        format_text("{}: the text encoder knows {} tokens, but its tokenizer has {}",
                    shown(file.weights), file.config.tokens, file.tokenizer.vocabulary().size()));
  if (file.config.positions < 3)
    throw CheckpointError(shown(file.weights) + ": a text encoder for fewer than 3 tokens");
  BoundNetwork<ClipText> network(ClipText(file.config), runtime.compute_dtype, runtime.device);
  load_tensors(file.tensors, network.tensors());
  return network;
}

// [1,tokens] int64.
torch::Tensor id_row(const std::vector<TokenId>& ids, torch::Device device) {
  return torch::tensor(std::vector<std::int64_t>(ids.begin(), ids.end()), torch::kInt64)
      .unsqueeze(0)
      .to(device);
}

// The weights of a chunk's rows, [1,tokens]: start, end and padding have 1. Undefined: all are 1.
torch::Tensor weight_row(const PromptChunk& chunk, std::size_t tokens) {
  if (std::ranges::all_of(chunk.weights, [](double weight) { return weight == 1; })) return {};
  std::vector<double> row(tokens, 1);
  std::ranges::copy(chunk.weights, row.begin() + 1);
  return torch::tensor(row, torch::kFloat32).unsqueeze(0);
}

// How many layers are computed for the context, without clip_skip.
std::int64_t layers_used(const ClipTextConfig& config, ContextState state) {
  return state == ContextState::kLastNormed ? config.layers : config.layers - 1;
}

}  // namespace

TextEncoders::TextEncoders(const TextEncoderFiles& files, const Runtime& runtime)
    : device_(runtime.device), zeros_for_absent_(files.zeros_for_absent) {
  for (const TextEncoderFile& file : files.encoders)
    encoders_.push_back({load(file, runtime), file.state, file.tokenizer});
}

void TextEncoders::add(const TextEmbedding& embedding) {
  bool fits = false;
  for (const torch::Tensor& vectors : embedding.vectors)
    for (Encoder& encoder : encoders_) {
      const ClipTextConfig& config = encoder.network->config();
      if (config.width != vectors.size(1)) continue;
      const std::int64_t before = encoder.further.defined() ? encoder.further.size(0) : 0;
      encoder.tokenizer.add_word(embedding.word, static_cast<TokenId>(config.tokens + before),
                                 static_cast<std::size_t>(vectors.size(0)));
      const torch::Tensor own = vectors.to(device_);
      encoder.further = before == 0 ? own : torch::cat({encoder.further, own});
      fits = true;
      break;
    }
  if (!fits)
    throw ConfigError(format_text(
        "the textual inversion '{}' has vectors of {} numbers, which no text encoder of this model takes: "
        "it was made for another version of Stable Diffusion",
        shorten(printable(embedding.word)), embedding.vectors.front().size(1)));
}

EncodedText TextEncoders::encode_ids(Encoder& encoder, const torch::Tensor& ids,
                                     std::int64_t clip_skip) {
  ClipTextImpl& network = *encoder.network.operator->();
  const std::int64_t used = layers_used(network.config(), encoder.state) - (clip_skip - 1);
  if (used < 1)
    throw ConfigError(format_text("--clip-skip {}: the text encoder has only {} layers", clip_skip,
                                  network.config().layers));
  const std::vector<torch::Tensor> states = network.states(ids, encoder.further);
  const torch::Tensor& state = states[static_cast<std::size_t>(used)];
  EncodedText text;
  text.context = encoder.state == ContextState::kPenultimate ? state : network.normed(state);
  text.context = text.context.to(torch::kFloat32);
  // The end may be the largest id of the vocabulary, so no larger ones must be there.
  const torch::Tensor known = ids.masked_fill(ids >= network.config().tokens, 0);
  if (network.config().projection > 0)
    text.pooled = network.pooled(known, states.back()).to(torch::kFloat32);
  return text;
}

EncodedText TextEncoders::encode_with(Encoder& encoder, const std::string& prompt,
                                      std::int64_t clip_skip) {
  const auto length = static_cast<std::size_t>(encoder.network->config().positions);
  std::vector<torch::Tensor> contexts;
  torch::Tensor pooled;
  for (const PromptChunk& chunk :
       chunk_prompt(parse_prompt_weights(prompt), encoder.tokenizer, length)) {
    const PaddedPrompt padded = encoder.tokenizer.padded(chunk.ids, length);
    EncodedText text = encode_ids(encoder, id_row(padded.ids, device_), clip_skip);
    if (const torch::Tensor weights = weight_row(chunk, length); weights.defined())
      text.context = apply_prompt_weights(text.context, weights);
    contexts.push_back(text.context);
    if (!pooled.defined()) pooled = text.pooled;
  }
  return {.context = torch::cat(contexts, 1), .pooled = pooled};
}

EncodedText TextEncoders::encode(const std::string& prompt, std::int64_t clip_skip) {
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> contexts;
  EncodedText all;
  std::int64_t tokens = 0;
  for (Encoder& encoder : encoders_) {
    const EncodedText text = encode_with(encoder, prompt, clip_skip);
    contexts.push_back(text.context);
    tokens = std::max(tokens, text.context.size(1));
    if (encoder.state == ContextState::kPenultimate) all.pooled = text.pooled;
  }
  // Two encoders whose tokenizers differ may need different numbers of chunks.
  for (std::size_t i = 0; i < contexts.size(); ++i)
    while (contexts[i].size(1) < tokens)
      contexts[i] = torch::cat({contexts[i], encode_with(encoders_[i], "", clip_skip).context}, 1);
  all.context = torch::cat(contexts, 2);
  return all;
}

EncodedText TextEncoders::encode_absent(std::int64_t clip_skip) {
  EncodedText text = encode("", clip_skip);
  if (!zeros_for_absent_) return text;
  text.context.zero_();
  if (text.pooled.defined()) text.pooled.zero_();
  return text;
}

EncodedText TextEncoders::filled(EncodedText text, std::int64_t tokens, std::int64_t clip_skip) {
  if (text.context.size(1) >= tokens) return text;
  const torch::Tensor empty = encode("", clip_skip).context;
  const std::int64_t lacking = (tokens - text.context.size(1)) / empty.size(1);
  text.context = torch::cat({text.context, empty.repeat({1, lacking, 1})}, 1);
  return text;
}

Condition text_condition(const ModelConfig& model, const EncodedText& text,
                         const PictureSizes& sizes) {
  if (text.context.size(2) != model.context_width)
    throw ConfigError(format_text(
        "the text encoders give a context of {} channels, but this network takes {}: they belong to "
        "another version of Stable Diffusion",
        text.context.size(2), model.context_width));
  Condition condition{.context = text.context};
  if (model.vector_width == 0) return condition;
  constexpr std::int64_t kSizes = 6;
  const std::int64_t pooled = model.vector_width - kSizes * model.vector_time_width;
  if (!text.pooled.defined() || model.vector_time_width == 0 || text.pooled.size(1) != pooled)
    throw ConfigError(format_text(
        "this network takes a vector of {} numbers beside the text, which these text encoders do not "
        "give (a refiner, or not Stable Diffusion XL)",
        model.vector_width));
  const std::vector<double> numbers = {
      static_cast<double>(sizes.height), static_cast<double>(sizes.width), 0, 0,
      static_cast<double>(sizes.height), static_cast<double>(sizes.width)};
  const torch::Tensor row = torch::tensor(numbers, text.pooled.options()).unsqueeze(0);
  condition.vector = vector_with_sizes(model, text.pooled, row);
  return condition;
}

}  // namespace ddpm
