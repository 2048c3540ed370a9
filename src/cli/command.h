// What the subcommands share.
#pragma once

#include <CLI/CLI.hpp>

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/config/loader.h"

namespace ddpm::cli {

// Runs the chosen subcommand.
using Action = std::function<ExitCode()>;

// Each adds its subcommand to the program and stores its action, which runs after parsing.
void add_train(CLI::App& program, Action& action, const std::string& command_line);
void add_sample(CLI::App& program, Action& action);
void add_inpaint(CLI::App& program, Action& action);
void add_interpolate(CLI::App& program, Action& action);
void add_denoise(CLI::App& program, Action& action);
void add_inspect(CLI::App& program, Action& action);
void add_runs(CLI::App& program, Action& action);
void add_vocode(CLI::App& program, Action& action);
void add_mel(CLI::App& program, Action& action);
void add_tokenize(CLI::App& program, Action& action);
void add_encode(CLI::App& program, Action& action);
void add_decode(CLI::App& program, Action& action);
void add_contexts(CLI::App& program, Action& action);
void add_convert(CLI::App& program, Action& action);
void add_evaluate(CLI::App& program, Action& action);
void add_bench(CLI::App& program, Action& action);
void add_config(CLI::App& program, Action& action);
void add_completion(CLI::App& program, Action& action);
void add_docs(CLI::App& program, Action& action);

// Options of every command that computes.
struct CommonOptions {
  std::optional<std::string> device, precision;
  std::optional<std::int64_t> seed, threads;
  std::vector<std::string> set;           // path=value
  std::optional<std::string> image_size;  // "32", or "48x32": width x height
  LogOptions log;
  std::string progress = "auto";

  // These options as changes to the config, in the order they apply: --set first, named options
  // last. Throws ConfigError for an --image-size that is no size.
  std::vector<ConfigOverride> overrides() const;
};
void add_common_options(CLI::App& command, CommonOptions& options);
void add_log_options(CLI::App& command, CommonOptions& options);
void add_set_option(CLI::App& command, CommonOptions& options);
void add_image_size_option(CLI::App& command, CommonOptions& options);
// Of commands that write files which the user names.
CLI::Option* add_overwrite_option(CLI::App& command, bool& overwrite);
void add_force_option(CLI::App& command, bool& force);

// Appends an override if the option was given.
template <class Value>
void append_override(std::vector<ConfigOverride>& overrides, const std::optional<Value>& value,
                     const std::string& path, const std::string& option) {
  if (!value) return;
  if constexpr (std::is_same_v<Value, std::string>)
    overrides.push_back({path, *value, option});
  else
    overrides.push_back({path, format_text("{}", *value), option});
}

// A check for an option whose value is a finite number from `least` to `most`, which may be
// infinite. CLI11's own range checks accept NaN and print limits with 300 digits.
std::function<std::string(const std::string&)> between(double least, double most);
std::function<std::string(const std::string&)> at_least(double least);

// A check for an option whose value is one of these names.
std::function<std::string(const std::string&)> one_of(std::span<const std::string_view> names);

// The help of an option that names a model.
std::string model_help();

// The subcommands that help shows: not those without a group.
std::vector<const CLI::App*> visible_commands(const CLI::App& command);

// The text below the options: examples, one a line.
std::string examples(const std::vector<std::string>& lines);

// The help of every command that is not hidden, as one Markdown page (docs/cli.md).
std::string cli_markdown(const CLI::App& program);

}  // namespace ddpm::cli
