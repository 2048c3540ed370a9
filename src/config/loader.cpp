#include "ddpm/config/loader.h"

#include <algorithm>
#include <set>
#include <vector>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/host.h"
#include "ddpm/base/text.h"
#include "ddpm/config/data_source.h"
#include "ddpm/config/fields.h"
#include "ddpm/config/validate.h"
#include "parse.h"
#include "unknown_key.h"

namespace ddpm {
namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 20;
// A file that several files extend is read once for each of them, so a few files could take
// exponential time.
constexpr int kMaxFiles = 64;
constexpr const char* kDefaultOrigin = "default";

ResolvedConfig defaults() {
  ResolvedConfig resolved;
  for (const Field& field : fields()) resolved.origins[field.path] = kDefaultOrigin;
  return resolved;
}

// After the changes of one file or one command line, which set the keys `changed`: a path without a
// source says what the source is, if it cannot be the one from before.
void imply_source(ResolvedConfig& resolved, const std::set<std::string>& changed) {
  DataConfig& data = resolved.config.data;
  if (!changed.contains("data.path") || changed.contains("data.source") || data.path.empty())
    return;
  const DataSource implied = source_for_path(data.source, data.path);
  if (implied == data.source) return;
  data.source = implied;
  resolved.origins["data.source"] = "data.path, " + resolved.origins["data.path"];
}

void apply(ResolvedConfig& resolved, const ParsedConfig& parsed, const std::string& origin) {
  std::set<std::string> changed;
  for (const Assignment& assignment : parsed.assignments) {
    assignment.field->set(resolved.config, assignment.value);
    resolved.origins[assignment.field->path] = format_text("{}:{}", origin, assignment.line);
    changed.insert(assignment.field->path);
  }
  imply_source(resolved, changed);
}

// Reads files into a config, the extended ones first.
class FileLoader {
 public:
  explicit FileLoader(ResolvedConfig& resolved) : resolved_(resolved) {}

  // `prefix` begins messages about the file itself; it says who asked for it.
  void load(const fs::path& file, const std::string& prefix);

 private:
  static std::string read(const fs::path& file, const std::string& prefix);
  void enter(const fs::path& file, const std::string& prefix);

  ResolvedConfig& resolved_;
  std::vector<fs::path> open_;  // files whose extensions are being read, outermost first
  int files_ = 0;
};

std::string FileLoader::read(const fs::path& file, const std::string& prefix) {
  const std::optional<FileInfo> info = file_info(file);
  if (!info)
    throw ConfigError(prefix + "there is no file '" + file.string() + "'" + home_advice(file));
  // This must come before opening, because opening a pipe would block.
  if (!info->is_file) throw ConfigError(prefix + "'" + file.string() + "' is not a file");
  try {
    return read_file(file, kMaxFileBytes);
  } catch (const AccessError&) {
    throw;
  } catch (const IoError& reason) {
    throw ConfigError(prefix + reason.what());
  }
}

void FileLoader::enter(const fs::path& file, const std::string& prefix) {
  std::error_code error;
  const auto is_same = [&](const fs::path& other) { return fs::equivalent(file, other, error); };
  if (std::ranges::any_of(open_, is_same)) {
    std::string circle;
    for (const fs::path& name : open_) circle += name.string() + " -> ";
    throw ConfigError(prefix + "files extend each other in a circle: " + circle + file.string());
  }
  if (++files_ > kMaxFiles)
    throw ConfigError(format_text("{}more than {} files are extended", prefix, kMaxFiles));
  open_.push_back(file);
}

void FileLoader::load(const fs::path& file, const std::string& prefix) {
  enter(file, prefix);
  const std::string name = shorten(file.string(), 1000);
  const ParsedConfig parsed = parse_config(read(file, prefix), name);
  for (const Extended& extended : parsed.extends)
    load((file.parent_path() / extended.file).lexically_normal(),
         format_text("{}:{}: extends: ", name, extended.line));
  apply(resolved_, parsed, name);
  open_.pop_back();
}

}  // namespace

ConfigOverride parse_set_option(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0)
    throw ConfigError(
        format_text("--set: '{}' is not of the form path=value, such as training.batch_size=64",
                    shorten(text)));
  return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)), "--set"};
}

ResolvedConfig load_config(const std::optional<fs::path>& file,
                           std::span<const ConfigOverride> overrides) {
  ResolvedConfig resolved = defaults();
  if (file) FileLoader(resolved).load(*file, "config: ");
  override_values(resolved, overrides);
  validate(resolved.config, resolved.origins);
  return resolved;
}

Config config_from_json_text(std::string_view text, const std::string& origin,
                             MissingKeys missing) {
  if (text.size() > kMaxFileBytes)
    throw ConfigError(format_text("{}: {} bytes are too many for a config", origin, text.size()));
  const ParsedConfig parsed = parse_config(text, origin);
  if (!parsed.extends.empty())
    throw ConfigError(format_text("{}:{}: extends: only a config file can extend others", origin,
                                  parsed.extends.front().line));
  ResolvedConfig resolved = defaults();
  if (missing == MissingKeys::kBefore)
    for (const Field& field : fields())
      if (field.before) field.set(resolved.config, *field.before);
  apply(resolved, parsed, origin);
  validate(resolved.config, resolved.origins);
  return resolved.config;
}

const ConfigOverride* find_override(std::span<const ConfigOverride> overrides,
                                    std::string_view prefix) {
  const auto found = std::ranges::find_if(
      overrides, [&](const ConfigOverride& change) { return change.path.starts_with(prefix); });
  return found == overrides.end() ? nullptr : &*found;
}

void override_values(ResolvedConfig& resolved, std::span<const ConfigOverride> overrides) {
  std::set<std::string> changed;
  for (const ConfigOverride& change : overrides) {
    const Field* field = find_field(change.path);
    if (field == nullptr) throw ConfigError(change.origin + ": " + unknown_key_text(change.path));
    field->set(resolved.config, parse_option_value(*field, change.value, change.origin));
    resolved.origins[field->path] = change.origin;
    changed.insert(field->path);
  }
  imply_source(resolved, changed);
}

Config apply_overrides(Config config, std::span<const ConfigOverride> overrides) {
  ResolvedConfig resolved{std::move(config), {}};
  override_values(resolved, overrides);
  return resolved.config;
}

Config keep_values(const ResolvedConfig& now, const Config& saved) {
  Config config = now.config;
  for (const Field& field : fields()) {
    const auto origin = now.origins.find(field.path);
    const bool is_default = origin != now.origins.end() && origin->second == kDefaultOrigin;
    if (field.on_resume == OnResume::kKept && is_default) field.set(config, field.value(saved));
  }
  return config;
}

}  // namespace ddpm
