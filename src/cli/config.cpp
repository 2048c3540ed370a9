#include <cstdio>

#include "command.h"
#include "ddpm/base/text.h"
#include "ddpm/config/describe.h"
#include "ddpm/config/validate.h"

namespace ddpm::cli {
namespace {

struct ConfigOptions {
  CommonOptions common;
  std::optional<std::string> config;
  bool json = false;
};

ResolvedConfig load(const ConfigOptions& options) {
  return load_config(options.config, options.common.overrides());
}

CLI::App* add_reader(CLI::App& parent, ConfigOptions& options, const std::string& name,
                     const std::string& help) {
  CLI::App* command = parent.add_subcommand(name, help);
  command->add_option("-c,--config", options.config, "The config [defaults only]")
      ->type_name("FILE");
  add_set_option(*command, options.common);
  return command;
}

ExitCode print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return ExitCode::kSuccess;
}

// What is known of the data without reading them. A config may leave data.path to the command line.
std::string checked_data_text(const DataConfig& data) {
  const bool is_complete = data.source == DataSource::kEmbedded || !data.path.empty();
  if (!is_complete)
    return format_text("the settings fit together; training needs data.path too, for source {}",
                       data.source);
  check_data_path(data);
  if (data.source == DataSource::kEmbedded)
    return "the settings fit together; the data are inside the program";
  return format_text("the settings fit together, and the data, {} {}, are there", data.source,
                     shorten(data.path, 1000));
}

}  // namespace

void add_config(CLI::App& program, Action& action) {
  auto options = std::make_shared<ConfigOptions>();
  CLI::App* config = program.add_subcommand("config", "Show, check and describe configs");
  config->require_subcommand(1);

  CLI::App* show =
      add_reader(*config, *options, "show", "Print every value and where it came from");
  show->add_flag("--json", options->json, "Print JSON: value, default and origin of every key");
  show->footer(
      examples({"ddpm config show --config configs/cifar10.json --set training.batch_size=64"}));
  show->callback([&action, options] {
    action = [options] {
      const ResolvedConfig resolved = load(*options);
      return print(options->json ? config_show_json(resolved)
                                 : config_show(resolved, /*with_origins=*/true));
    };
  });

  CLI::App* check =
      add_reader(*config, *options, "check",
                 "Check a config; exit code 0: valid, 2: not valid, 3: data.path does not exist");
  check->footer(examples({"ddpm config check --config my.json --set data.path=photos"}));
  check->callback([&action, options] {
    action = [options] {
      return print("valid: " + checked_data_text(load(*options).config.data) + "\n");
    };
  });

  CLI::App* schema =
      config->add_subcommand("schema", "Print a JSON Schema of config files, for editors");
  schema->footer(examples({"ddpm config schema > ddpm.schema.json"}));
  schema->callback([&action] { action = [] { return print(config_schema()); }; });
  CLI::App* keys =
      config->add_subcommand("keys", "Print one line per key: type, default, range, meaning");
  keys->footer(examples({"ddpm config keys | grep learning_rate"}));
  keys->callback([&action] { action = [] { return print(config_keys_text()); }; });
  config->footer(
      examples({"ddpm config show --config configs/cifar10.json --set training.batch_size=64",
                "ddpm config keys | grep learning_rate", "ddpm config schema > ddpm.schema.json"}));
}

}  // namespace ddpm::cli
