// Parts of `ddpm inspect --receptive-field`.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "command.h"
#include "ddpm/architecture/layer_graph.h"
#include "json_text.h"

namespace ddpm::cli {

struct ReceptiveFieldOptions {
  std::optional<std::string> path;
  std::optional<std::int64_t> segment;
  std::optional<std::string> picture;
  bool naive = false;
};

// --receptive-field and the options that go with it.
void add_receptive_field_options(CLI::App& command, ReceptiveFieldOptions& options);

// Whether a path was given. Throws ConfigError if only options that go with it were.
bool wants_receptive_field(const ReceptiveFieldOptions& options);

// Prints the result to standard output, and writes the picture if one is wanted.
void inspect_receptive_field(const ReceptiveFieldOptions& options,
                             std::span<const ConfigOverride> overrides, bool json);

// The layers of the network at `path`: a config of this program or of HiFi-GAN, a layer graph, a run,
// a checkpoint or any model that open_model reads. What it is shows in its content. The overrides
// apply to configs. Throws ConfigError, and CheckpointError for models.
NetworkGraph find_network_graph(const std::filesystem::path& path,
                                std::span<const ConfigOverride> overrides);

// The receptive field as JSON. `segment`: length of the input for what padding leaves free, instead of
// the network's own.
Json describe_receptive_field(const NetworkGraph& network, std::optional<std::int64_t> segment,
                              bool naive);

// What describe_receptive_field says, for people.
std::string receptive_field_text(const Json& result);

// Draws the receptive field of the first axis to a .png or .svg file. Throws IoError, and ConfigError
// for another ending.
void draw_receptive_field(const NetworkGraph& network, const std::filesystem::path& file);
// The same check of the ending, before any work.
void check_picture_name(const std::filesystem::path& file);

}  // namespace ddpm::cli
