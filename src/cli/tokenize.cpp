#include <iostream>

#include <nlohmann/json.hpp>

#include "command.h"
#include "ddpm/base/file.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/json.h"
#include "ddpm/tokenizer/prompt_weights.h"
#include "ddpm/tokenizer/tokenizer_files.h"
#include "json_text.h"

namespace ddpm::cli {
namespace {

struct TokenizeOptions {
  std::string prompt, tokenizer;
  std::optional<std::string> padding;
  bool weights = false, json = false;
};

// One sequence as the text encoder takes it, with what the user wants to know of it.
struct Chunk {
  PaddedPrompt prompt;
  std::vector<double> weights;  // of the ids between start and end
};

ClipTokenizer tokenizer_of(const TokenizeOptions& options) {
  if (options.tokenizer.empty())
    return ClipTokenizer::of_clip(choose<ClipPadding>(
        "--padding", options.padding.value_or(std::string(name_of(ClipPadding::kEnd)))));
  if (options.padding)
    throw ConfigError("--padding: the folder of --tokenizer says what fills up its prompts");
  if (!is_folder(options.tokenizer))
    throw ConfigError(
        format_text("--tokenizer: '{}' is not a folder", printable(options.tokenizer)));
  return read_clip_tokenizer(options.tokenizer);
}

std::vector<Chunk> chunks_of(const TokenizeOptions& options, const ClipTokenizer& tokenizer) {
  if (!options.weights) {
    const std::vector<TokenId> ids = tokenizer.ids(options.prompt);
    return {{tokenizer.padded(ids), std::vector<double>(ids.size(), 1)}};
  }
  std::vector<Chunk> chunks;
  for (const PromptChunk& chunk : chunk_prompt(parse_prompt_weights(options.prompt), tokenizer))
    chunks.push_back({tokenizer.padded(chunk.ids), chunk.weights});
  return chunks;
}

// The bytes of a token; </w> marks the end of a word.
std::string piece_of(const ClipTokenizer& tokenizer, TokenId id) {
  const BytePairs& vocabulary = tokenizer.vocabulary();
  return vocabulary.bytes_of(id) + (vocabulary.ends_word(id) ? "</w>" : "");
}

double weight_at(const Chunk& chunk, std::size_t position) {
  const bool is_word = position > 0 && position + 1 < chunk.prompt.used;
  return is_word ? chunk.weights[position - 1] : 1;
}

Json describe(const Chunk& chunk, const ClipTokenizer& tokenizer) {
  Json pieces = Json::array(), weights = Json::array();
  for (std::size_t i = 0; i < chunk.prompt.used; ++i) {
    pieces.push_back(piece_of(tokenizer, chunk.prompt.ids[i]));
    weights.push_back(weight_at(chunk, i));
  }
  return {{"ids", chunk.prompt.ids},
          {"used", chunk.prompt.used},
          {"pieces", pieces},
          {"weights", weights},
          {"cut", tokenizer.text_of(chunk.prompt.cut)}};
}

void print_chunk(const Chunk& chunk, const ClipTokenizer& tokenizer, bool with_weights) {
  const PaddedPrompt& prompt = chunk.prompt;
  std::cout << (with_weights ? "position     id  weight  token\n" : "position     id  token\n");
  for (std::size_t i = 0; i < prompt.used; ++i) {
    const std::string piece = printable(piece_of(tokenizer, prompt.ids[i]));
    std::cout << format_text("{:8}  {:5}  ", i, prompt.ids[i]);
    if (with_weights) std::cout << format_text("{:6.3f}  ", weight_at(chunk, i));
    std::cout << piece << '\n';
  }
  const std::size_t length = prompt.ids.size();
  std::cout << format_text("{} of {} tokens used", prompt.used, length);
  if (prompt.used < length) std::cout << format_text("; the others are {}", prompt.ids.back());
  std::cout << '\n';
  if (!prompt.cut.empty())
    std::cout << format_text("cut, {}: {}\n",
                             counted(static_cast<std::int64_t>(prompt.cut.size()), "token"),
                             printable(tokenizer.text_of(prompt.cut)));
}

ExitCode run_tokenize(const TokenizeOptions& options) {
  set_up_logging({});
  const ClipTokenizer tokenizer = tokenizer_of(options);
  const std::vector<Chunk> chunks = chunks_of(options, tokenizer);
  if (options.json) {
    Json list = Json::array();
    for (const Chunk& chunk : chunks) list.push_back(describe(chunk, tokenizer));
    std::cout << dump_json({{"prompt", options.prompt}, {"chunks", list}}, 2) << '\n';
    return ExitCode::kSuccess;
  }
  for (const Chunk& chunk : chunks) print_chunk(chunk, tokenizer, options.weights);
  return ExitCode::kSuccess;
}

}  // namespace

void add_tokenize(CLI::App& program, Action& action) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = program.add_subcommand(
      "tokenize", "Show the tokens of a prompt for Stable Diffusion: ids, pieces, what is cut");
  command->add_option("prompt", options->prompt, "The prompt, UTF-8")
      ->type_name("TEXT")
      ->required();
  command
      ->add_option(
          "--tokenizer", options->tokenizer,
          "Folder with tokenizer.json, or vocab.json and merges.txt, or a diffusers folder "
          "[the vocabulary of CLIP, which is part of the program]")
      ->type_name("FOLDER");
  command
      ->add_option(
          "--padding", options->padding,
          "What fills up the prompt: end (Stable Diffusion 1, encoder 1 of XL), zero (Stable "
          "Diffusion 2, encoder 2 of XL), or exclamation (encoder 2 of XL as its files for "
          "transformers have it: each ! of the prompt becomes 0 too) [end]")
      ->type_name("NAME");
  command->add_flag(
      "--weights", options->weights,
      "Understand (word:1.3), [word] and BREAK, and give long prompts several chunks, as "
      "stable-diffusion-webui does");
  command->add_flag("--json", options->json,
                    "Print JSON: for each chunk ids, used, pieces, weights, cut");
  command->footer(examples({"ddpm tokenize \"a photo of a cat\"",
                            "ddpm tokenize --weights \"a (red:1.3) fox, [blurry]\"",
                            "ddpm tokenize --tokenizer sdxl/tokenizer_2 \"a cat!\" --json"}));
  command->callback([&action, options] { action = [options] { return run_tokenize(*options); }; });
}

}  // namespace ddpm::cli
