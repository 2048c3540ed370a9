#include "ddpm/runs/checkpoint_store.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <string_view>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/json.h"
#include "ddpm/formats/sha256.h"

namespace ddpm {
namespace {

constexpr const char* kManifest = "MANIFEST.json";
constexpr const char* kLatest = "latest";
constexpr const char* kBest = "best";
constexpr std::string_view kTemporaryPrefix = ".writing_";
constexpr std::string_view kReplacedPrefix = ".replaced_";
constexpr int kManifestVersion = 1;
// The files of every checkpoint. Some runs have ema.safetensors too.
constexpr std::array kRequired = {"model.safetensors", "optimizer.safetensors", "state.json"};

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
    nlohmann::json manifest = parse_json(read_file(path, 1 << 20), path.string());
    if (manifest.at("version") != kManifestVersion)
      throw CheckpointError(path.string() + ": version " + shorten(manifest.at("version").dump()) +
                            " is unknown; a newer program wrote it");
    if (!manifest.at("files").is_array())
      throw CheckpointError(path.string() + ": 'files' is not a list");
    return manifest;
  } catch (const nlohmann::json::exception& error) {
    throw CheckpointError(path.string() + ": not a valid manifest: " + error.what());
  } catch (const AccessError&) {
    throw;
  } catch (const IoError& error) {
    throw CheckpointError(checkpoint.string() + " is not a complete checkpoint: " + error.what());
  }
}

bool is_checkpoint_name(const std::string& name) {
  return name.starts_with("step_") && name.size() > 5 &&
         std::all_of(name.begin() + 5, name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The step in a folder's name; -1 if it does not fit 64 bits, which no run reaches.
std::int64_t step_of(const fs::path& checkpoint) {
  const std::string name = checkpoint.filename().string();
  std::int64_t step = -1;
  std::from_chars(name.data() + 5, name.data() + name.size(), step);
  return step;
}

// The checkpoint that a pointer file (`latest`, `best`) names, whether or not it exists. The path
// is empty if there is no such file or it is no pointer. Throws AccessError.
fs::path read_pointer(const fs::path& pointer) {
  if (!path_exists(pointer)) return {};
  try {
    std::string name = read_file(pointer, 4096);
    while (!name.empty() && (name.back() == '\n' || name.back() == ' ')) name.pop_back();
    if (is_checkpoint_name(name)) return pointer.parent_path() / name;
  } catch (const AccessError&) {
    throw;
  } catch (const IoError& problem) {
    log_warning("ignored: {}", problem.what());
  }
  return {};
}

// A checkpoint that cannot be accessed may be whole: no other may take its place.
bool verifies(const fs::path& checkpoint) {
  try {
    verify_checkpoint(checkpoint);
    return true;
  } catch (const CheckpointError& error) {
    log_warning("checkpoint {} is damaged and ignored: {}", checkpoint.string(), error.what());
    return false;
  }
}

}  // namespace

std::string checkpoint_name(std::int64_t step) { return format_text("step_{:08}", step); }

namespace {

// Compares one file with its entry in the manifest; returns its name.
std::string verify_entry(const fs::path& checkpoint, const nlohmann::json& entry,
                         Verification verification) {
  auto name = entry.at("name").get<std::string>();
  const fs::path file = checkpoint / name;
  const std::optional<FileInfo> info = file_info(file);
  if (fs::path(name).has_parent_path() || !info || !info->is_file)
    throw CheckpointError(file.string() + ": missing");
  const auto expected = entry.at("size").get_ref<const std::uint64_t&>();
  if (info->bytes != expected)
    throw CheckpointError(format_text("{}: {} bytes long, the manifest says {}", file.string(),
                                      info->bytes, expected));
  const bool compares = verification == Verification::kContents;
  if (compares && sha256_file(file) != entry.at("sha256").get<std::string>())
    throw CheckpointError(file.string() +
                          ": the content does not match its SHA-256 in the manifest");
  return name;
}

// Throws CheckpointError unless the manifest lists every file that a program would read.
void check_completeness(const fs::path& checkpoint, const std::set<std::string>& listed) {
  for (const char* name : kRequired)
    if (!listed.contains(name))
      throw CheckpointError((checkpoint / kManifest).string() + ": does not list " + name +
                            ", which every checkpoint has");
  for (const fs::path& file : files_of(checkpoint))
    if (file.extension() == ".safetensors" && !listed.contains(file.string()))
      throw CheckpointError((checkpoint / file).string() + ": not in the manifest");
}

}  // namespace

void verify_checkpoint(const fs::path& checkpoint, Verification verification) {
  const nlohmann::json manifest = read_manifest(checkpoint);
  try {
    std::set<std::string> listed;
    for (const nlohmann::json& entry : manifest.at("files"))
      listed.insert(verify_entry(checkpoint, entry, verification));
    check_completeness(checkpoint, listed);
  } catch (const nlohmann::json::exception& error) {
    throw CheckpointError((checkpoint / kManifest).string() +
                          ": not a valid manifest: " + error.what());
  } catch (const IoError& error) {
    blame_file<CheckpointError>(error);
  }
}

CheckpointStore::CheckpointStore(fs::path folder) : folder_(std::move(folder)) {}

fs::path CheckpointStore::save(std::int64_t step,
                               const std::function<void(const fs::path&)>& write_files) {
  const std::string name = checkpoint_name(step);
  const fs::path temporary = folder_ / (std::string(kTemporaryPrefix) + name);
  try {
    recover();
    remove_recursively(temporary);
    make_directories(temporary);
    write_files(temporary);
    write_manifest(temporary);
    sync_directory(temporary);
    verify_checkpoint(temporary);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);  // the disk may be full
    throw;
  }
  // A failure from here on must not delete anything: the temporary name may be the old
  // checkpoint's.
  put_in_place(temporary, name);
  write_file_atomically(folder_ / kLatest, name + "\n");
  return folder_ / name;
}

void CheckpointStore::put_in_place(const fs::path& temporary, const std::string& name) {
  const fs::path final = folder_ / name;
  const fs::path replaced = folder_ / (std::string(kReplacedPrefix) + name);
  std::error_code error;
  if (!fs::exists(final, error)) return rename_durably(temporary, final);
  if (exchange_durably(temporary, final)) return remove_recursively(temporary);
  // This takes two renames. Between them the old checkpoint has its other name, where recover()
  // finds it.
  remove_recursively(replaced);
  rename_durably(final, replaced);
  try {
    rename_durably(temporary, final);
  } catch (...) {
    recover();
    throw;
  }
  remove_recursively(replaced);
}

std::vector<fs::path> CheckpointStore::displaced() const {
  std::vector<fs::path> folders;
  for (const fs::path& path : list_folder(folder_)) {
    const std::string name = path.filename().string();
    if (name.starts_with(kReplacedPrefix) &&
        !path_exists(folder_ / name.substr(kReplacedPrefix.size())))
      folders.push_back(path);
  }
  return folders;
}

void CheckpointStore::recover() {
  for (const fs::path& folder : displaced())
    rename_durably(folder, folder_ / folder.filename().string().substr(kReplacedPrefix.size()));
}

std::vector<fs::path> CheckpointStore::list() const {
  std::vector<fs::path> checkpoints;
  for (const fs::path& path : list_folder(folder_))
    if (is_checkpoint_name(path.filename().string()) && path_exists(path / kManifest))
      checkpoints.push_back(path);
  // Zero-padded names sort like their steps, but beyond eight digits the longer name is later.
  std::sort(checkpoints.begin(), checkpoints.end(), [](const fs::path& a, const fs::path& b) {
    const std::string x = a.filename().string(), y = b.filename().string();
    return x.size() != y.size() ? x.size() < y.size() : x < y;
  });
  return checkpoints;
}

std::optional<fs::path> CheckpointStore::newest() const {
  const fs::path last = read_pointer(folder_ / kLatest);
  if (!last.empty() && path_exists(last) && verifies(last)) return last;
  const std::vector<fs::path> checkpoints = list();
  for (auto it = checkpoints.rbegin(); it != checkpoints.rend(); ++it)
    if (*it != last && verifies(*it)) return *it;
  for (const fs::path& folder : displaced())
    if (verifies(folder)) return folder;
  return std::nullopt;
}

std::optional<fs::path> CheckpointStore::last() const {
  const fs::path named = read_pointer(folder_ / kLatest);
  if (!named.empty() && path_exists(named)) return named;
  const std::vector<fs::path> checkpoints = list();
  return checkpoints.empty() ? std::nullopt : std::optional(checkpoints.back());
}

std::string CheckpointStore::describe_newest(const std::string& present,
                                             const std::string& absent) const {
  try {
    const std::optional<fs::path> found = newest();
    return found ? present + found->string() : absent;
  } catch (const IoError& error) {
    return std::string("Its checkpoints are kept, but ") + error.what();
  }
}

std::optional<fs::path> CheckpointStore::best() const {
  const fs::path best = read_pointer(folder_ / kBest);
  return !best.empty() && path_exists(best) ? std::optional(best) : std::nullopt;
}

void CheckpointStore::set_best(const fs::path& checkpoint) {
  write_file_atomically(folder_ / kBest, checkpoint.filename().string() + "\n");
}

void CheckpointStore::prune(const Retention& retention) {
  remove_leftovers();
  std::error_code error;
  std::vector<fs::path> checkpoints = list();
  // The checkpoint saved last is the newest, even if a damaged or abandoned one has a later step.
  const auto last =
      std::find(checkpoints.begin(), checkpoints.end(), read_pointer(folder_ / kLatest));
  if (last == checkpoints.end()) return;  // `latest` is unreadable, so nothing may be deleted
  std::rotate(last, last + 1, checkpoints.end());
  const auto surplus =
      static_cast<std::int64_t>(checkpoints.size()) - std::max<std::int64_t>(retention.newest, 1);
  const fs::path best = read_pointer(folder_ / kBest);
  for (std::int64_t i = 0; i < surplus; ++i) {
    const fs::path& checkpoint = checkpoints[static_cast<std::size_t>(i)];
    const bool kept = retention.every > 0 && step_of(checkpoint) % retention.every == 0;
    if (!kept && checkpoint != best) fs::remove_all(checkpoint, error);
  }
}

void CheckpointStore::remove_leftovers() {
  std::error_code error;
  const std::vector<fs::path> wanted = displaced();
  std::vector<fs::path> leftovers;
  for (const fs::path& path : list_folder(folder_)) {
    const std::string name = path.filename().string();
    if ((name.starts_with(kTemporaryPrefix) || name.starts_with(kReplacedPrefix)) &&
        std::find(wanted.begin(), wanted.end(), path) == wanted.end())
      leftovers.push_back(path);
  }
  for (const fs::path& leftover : leftovers) fs::remove_all(leftover, error);
}

}  // namespace ddpm
