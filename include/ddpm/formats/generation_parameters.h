// The text in which stable-diffusion-webui and programs like it describe how a picture was made. It is
// the text `parameters` of a PNG file:
//
//   a red fox in snow
//   Negative prompt: blurry
//   Steps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 1, Size: 512x512
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ddpm {

struct GenerationParameters {
  std::string prompt, negative_prompt;                        // both may have several lines
  std::vector<std::pair<std::string, std::string>> settings;  // such as {"Steps", "25"}, in order

  // The value of a setting; null if there is none.
  const std::string* find(std::string_view key) const;
};

// Values with a comma, a colon or a line break are written as strings of JSON.
std::string to_text(const GenerationParameters& parameters);

// Reads such a text. Its last line is settings if it has at least three; everything else is prompt, and
// from a line that begins with "Negative prompt:" on, negative prompt. Never fails: any text is at
// least a prompt.
GenerationParameters parse_generation_parameters(std::string_view text);

}  // namespace ddpm
