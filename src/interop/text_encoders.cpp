#include "ddpm/interop/text_encoders.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "ddpm/interop/find_networks.h"

namespace ddpm {
namespace {

struct Place {
  const char* prefix;
  ContextState state;
  bool is_second;  // of XL
};

constexpr std::array<Place, 6> kPlaces = {
    {{"conditioner.embedders.0.transformer.", ContextState::kPenultimate, false},
     {"conditioner.embedders.0.model.", ContextState::kPenultimate, false},
     {"conditioner.embedders.1.model.", ContextState::kPenultimate, true},
     {"cond_stage_model.transformer.", ContextState::kLastNormed, false},
     {"cond_stage_model.model.", ContextState::kPenultimateNormed, false},
     {"", ContextState::kLastNormed, false}}};

// The table of tokens under the names of each program.
constexpr std::array<std::string_view, 3> kTables = {"text_model.embeddings.token_embedding.weight",
                                                     "embeddings.token_embedding.weight",
                                                     "token_embedding.weight"};

}  // namespace

std::vector<FoundTextEncoder> find_text_encoders(const TensorSet& file) {
  std::vector<FoundTextEncoder> found;
  for (const Place& place : kPlaces) {
    if (!place.is_second && !found.empty()) continue;
    TensorSet set = without_prefix(file, place.prefix);
    const bool is_encoder = std::ranges::any_of(
        kTables, [&](std::string_view table) { return set.find(table) != nullptr; });
    if (is_encoder) found.push_back({place.prefix, place.state, std::move(set)});
  }
  return found;
}

}  // namespace ddpm
