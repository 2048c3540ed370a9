#include "score_table.h"

#include <algorithm>
#include <cstdio>

#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/config/samplers.h"
#include "ddpm/formats/json.h"
#include "json_text.h"
#include "published_scores.h"

namespace ddpm::cli {
namespace {

std::optional<double> published_fid_of(const ScoreTable& table, const ScoreRow& row) {
  if (!table.published || !row.sampling) return std::nullopt;
  return published_fid(row.sampling->sampler, row.steps);
}

// The sampler, and its levels if they are not those of its timesteps: "unipc karras 0.05-20".
std::string sampler_of(const SamplingConfig& sampling) {
  std::string text(name_of(sampling.sampler));
  if (sampling.sigmas == SigmaSpacing::kSchedule) return text;
  text += format_text(" {}", sampling.sigmas);
  const auto limit = [](double sigma) { return sigma > 0 ? format_text("{}", sigma) : ""; };
  if (sampling.sigma_min > 0 || sampling.sigma_max > 0)
    text += format_text(" {}-{}", limit(sampling.sigma_min), limit(sampling.sigma_max));
  return text;
}

void add_sampling(const ScoreRow& row, Json& entry) {
  const SamplingConfig& sampling = *row.sampling;
  entry["sampler"] = name_of(sampling.sampler);
  entry["steps"] = row.steps;
  if (sampling.sigmas == SigmaSpacing::kSchedule) return;
  entry["sigmas"] = name_of(sampling.sigmas);
  if (sampling.sigma_min > 0) entry["sigma_min"] = sampling.sigma_min;
  if (sampling.sigma_max > 0) entry["sigma_max"] = sampling.sigma_max;
}

Json to_json(const ScoreTable& table) {
  Json result = {{"reference", table.reference}};
  if (table.reference_count > 0) result["reference_count"] = table.reference_count;
  if (!table.features.empty()) {
    result["features"] = table.features;
    result["features_fingerprint"] = table.fingerprint;
  }
  result["results"] = Json::array();
  for (const ScoreRow& row : table.rows) {
    Json entry = {{"name", valid_utf8(row.name)}, {"count", row.count}};
    if (row.sampling) add_sampling(row, entry);
    for (const Score& score : row.scores) entry[score.name] = score.value;
    if (const auto published = published_fid_of(table, row)) entry["published_fid"] = *published;
    if (!row.likelihood_terms.empty()) entry["nll_terms"] = row.likelihood_terms;
    result["results"].push_back(std::move(entry));
  }
  return result;
}

using Cells = std::vector<std::string>;

// The first line has the names of the columns.
std::vector<Cells> cells_of(const ScoreTable& table) {
  const bool drawn = table.rows.front().sampling.has_value();
  std::vector<Cells> lines = {{"", "images"}};
  if (drawn) lines[0].insert(lines[0].end(), {"sampler", "steps"});
  for (const Score& score : table.rows.front().scores) lines[0].push_back(score.name);
  if (table.published) lines[0].emplace_back("published");
  for (const ScoreRow& row : table.rows) {
    Cells cells = {printable(row.name), format_text("{}", row.count)};
    if (drawn) cells.insert(cells.end(), {sampler_of(*row.sampling), format_text("{}", row.steps)});
    for (const Score& score : row.scores) cells.push_back(format_text("{:.4g}", score.value));
    if (table.published) {
      const std::optional<double> fid = published_fid_of(table, row);
      cells.push_back(fid ? format_text("{:.4g}", *fid) : "");
    }
    lines.push_back(std::move(cells));
  }
  return lines;
}

}  // namespace

void print(const ScoreTable& table, bool json) {
  if (json) {
    std::puts(dump_json(to_json(table), 2).c_str());
    return;
  }
  const std::vector<Cells> lines = cells_of(table);
  std::vector<int> widths(lines.front().size(), 0);
  for (const Cells& cells : lines)
    for (std::size_t i = 0; i < cells.size(); ++i)
      widths[i] = std::max(widths[i], static_cast<int>(cells[i].size()));
  for (const Cells& cells : lines) {
    std::printf("%-*s", widths[0], cells[0].c_str());
    for (std::size_t i = 1; i < cells.size(); ++i)
      std::printf("  %*s", widths[i], cells[i].c_str());
    std::printf("\n");
  }
  if (table.published)
    std::printf(
        "published: FID of 50,000 CIFAR-10 images by DDIM, eta 0 and 1 (Song et al., table 1)\n");
}

}  // namespace ddpm::cli
