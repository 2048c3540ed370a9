#include "ddpm/io/checkpoint.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/log.h"
#include "ddpm/formats/sha256.h"

namespace ddpm {
namespace {

constexpr const char* kManifest = "MANIFEST.json";
constexpr const char* kLatest = "latest";
constexpr const char* kTemporaryPrefix = ".writing_";
constexpr int kManifestVersion = 1;

std::vector<fs::path> files_of(const fs::path& checkpoint) {
  std::vector<fs::path> files;
  for (const fs::path& file : list_files_recursively(checkpoint))
    if (file != kManifest) files.push_back(file);
  return files;
}

void write_manifest(const fs::path& checkpoint) {
  nlohmann::ordered_json manifest = {{"version", kManifestVersion},
                                     {"files", nlohmann::ordered_json::array()}};
  for (const fs::path& file : files_of(checkpoint))
    manifest["files"].push_back({{"name", file.string()},
                                 {"size", fs::file_size(checkpoint / file)},
                                 {"sha256", sha256_file(checkpoint / file)}});
  write_file_atomically(checkpoint / kManifest, manifest.dump(2) + "\n");
}

nlohmann::json read_manifest(const fs::path& checkpoint) {
  const fs::path path = checkpoint / kManifest;
  try {
    const nlohmann::json manifest = nlohmann::json::parse(read_file(path, 1 << 20));
    if (manifest.at("version") != kManifestVersion)
      throw CheckpointError(path.string() + ": version " + manifest.at("version").dump() +
                            " is unknown; it was written by a newer program");
    if (!manifest.at("files").is_array())
      throw CheckpointError(path.string() + ": 'files' is no list");
    return manifest;
  } catch (const nlohmann::json::exception& error) {
    throw CheckpointError(path.string() + ": not a valid manifest: " + error.what());
  } catch (const IoError& error) {
    throw CheckpointError(checkpoint.string() + " is no complete checkpoint: " + error.what());
  }
}

bool is_checkpoint_name(const std::string& name) {
  return name.starts_with("step_") && name.size() > 5 &&
         std::all_of(name.begin() + 5, name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The name in `latest`; empty if there is none or it cannot be read.
std::string read_pointer(const fs::path& pointer) {
  if (!fs::exists(pointer)) return "";
  try {
    std::string name = read_file(pointer, 4096);
    while (!name.empty() && (name.back() == '\n' || name.back() == ' ')) name.pop_back();
    return name;
  } catch (const IoError& error) {
    log_warning("ignored: {}", error.what());
    return "";
  }
}

bool verifies(const fs::path& checkpoint) {
  try {
    verify_checkpoint(checkpoint);
    return true;
  } catch (const Error& error) {
    log_warning("checkpoint {} is damaged and ignored: {}", checkpoint.string(), error.what());
    return false;
  }
}

}  // namespace

std::string checkpoint_name(std::int64_t step) { return format_text("step_{:08}", step); }

void verify_checkpoint(const fs::path& checkpoint) {
  const nlohmann::json manifest = read_manifest(checkpoint);
  try {
    for (const nlohmann::json& entry : manifest.at("files")) {
      const auto name = entry.at("name").get<std::string>();
      const fs::path file = checkpoint / name;
      if (fs::path(name).has_parent_path() || !fs::is_regular_file(file))
        throw CheckpointError(file.string() + ": missing");
      const std::uint64_t size = fs::file_size(file);
      if (size != entry.at("size").get<std::uint64_t>())
        throw CheckpointError(format_text("{}: {} bytes long, the manifest says {}", file.string(),
                                          size, entry.at("size").dump()));
      if (sha256_file(file) != entry.at("sha256").get<std::string>())
        throw CheckpointError(file.string() +
                              ": the content does not match its SHA-256 in the manifest");
    }
  } catch (const nlohmann::json::exception& error) {
    throw CheckpointError((checkpoint / kManifest).string() +
                          ": not a valid manifest: " + error.what());
  }
}

CheckpointStore::CheckpointStore(fs::path folder) : folder_(std::move(folder)) {}

fs::path CheckpointStore::save(std::int64_t step,
                               const std::function<void(const fs::path&)>& write_files) {
  const std::string name = checkpoint_name(step);
  const fs::path temporary = folder_ / (kTemporaryPrefix + name);
  const fs::path final = folder_ / name;
  fs::remove_all(temporary);
  make_directories(temporary);
  write_files(temporary);
  write_manifest(temporary);
  sync_directory(temporary);
  verify_checkpoint(temporary);

  // rename(2) does not replace a folder that has entries; an old one of this step steps aside
  // first.
  const fs::path replaced = folder_ / (std::string(kTemporaryPrefix) + "replaced_" + name);
  fs::remove_all(replaced);
  if (fs::exists(final)) rename_durably(final, replaced);
  rename_durably(temporary, final);
  write_file_atomically(folder_ / kLatest, name + "\n");
  fs::remove_all(replaced);
  return final;
}

std::vector<fs::path> CheckpointStore::list() const {
  std::vector<fs::path> checkpoints;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error))
    if (is_checkpoint_name(entry.path().filename().string()) &&
        fs::exists(entry.path() / kManifest))
      checkpoints.push_back(entry.path());
  // Zero-padded names sort like their steps; beyond eight digits length decides first.
  std::sort(checkpoints.begin(), checkpoints.end(), [](const fs::path& a, const fs::path& b) {
    const std::string x = a.filename().string(), y = b.filename().string();
    return x.size() != y.size() ? x.size() < y.size() : x < y;
  });
  return checkpoints;
}

std::optional<fs::path> CheckpointStore::newest() const {
  const std::string name = read_pointer(folder_ / kLatest);
  if (is_checkpoint_name(name) && fs::exists(folder_ / name) && verifies(folder_ / name))
    return folder_ / name;
  const std::vector<fs::path> checkpoints = list();
  for (auto it = checkpoints.rbegin(); it != checkpoints.rend(); ++it)
    if (verifies(*it)) return *it;
  return std::nullopt;
}

void CheckpointStore::prune(std::int64_t keep) {
  std::error_code error;
  std::vector<fs::path> checkpoints = list();
  // What was saved last counts as newest, even if a damaged or abandoned one has a later step.
  const auto last =
      std::find(checkpoints.begin(), checkpoints.end(), folder_ / read_pointer(folder_ / kLatest));
  if (last != checkpoints.end()) std::rotate(last, last + 1, checkpoints.end());
  const auto surplus =
      static_cast<std::int64_t>(checkpoints.size()) - std::max<std::int64_t>(keep, 1);
  for (std::int64_t i = 0; i < surplus; ++i)
    fs::remove_all(checkpoints[static_cast<std::size_t>(i)], error);
  std::vector<fs::path> leftovers;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error))
    if (entry.path().filename().string().starts_with(kTemporaryPrefix))
      leftovers.push_back(entry.path());
  for (const fs::path& leftover : leftovers) fs::remove_all(leftover, error);
}

}  // namespace ddpm
