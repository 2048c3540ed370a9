// The scores of sets of images, for people and for programs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/evaluation/scores.h"

namespace ddpm::cli {

struct ScoreRow {
  std::string name;                             // path of the model or of the images
  std::int64_t count = 0;                       // images
  std::optional<SamplingConfig> sampling = {};  // only of a model's images
  std::int64_t steps = 0;
  std::vector<Score> scores;
  std::vector<double> likelihood_terms = {};  // L_0 .. L_T in bits per dimension; may be empty
};

struct ScoreTable {
  std::vector<ScoreRow> rows;
  bool published = false;             // beside each FID that of published_scores.h
  std::string features, fingerprint;  // of the network; empty: there is none
  std::string reference;              // what was compared with
  std::int64_t reference_count = 0;   // 0: not known
};

// Prints a line for each row, with a column for each score, or JSON (docs/formats/evaluate.md).
void print(const ScoreTable& table, bool json);

}  // namespace ddpm::cli
