#pragma once

#include <filesystem>
#include <vector>

namespace ddpm {

// Fills a folder beside its final name, which it gets when it is complete. Without finish() nothing
// is left.
class NewFolder {
 public:
  // Throws ConfigError if there is such a folder and it is not empty; throws IoError.
  explicit NewFolder(const std::filesystem::path& path);
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  // The path at which to write the file that will be `name`, a relative path, in the folder.
  std::filesystem::path add(const std::filesystem::path& name);

  // Gives the folder its name, durably. Returns the final paths of its files, in the order of
  // add(). Throws IoError.
  std::vector<std::filesystem::path> finish();

 private:
  std::filesystem::path path_, temporary_;
  std::vector<std::filesystem::path> files_;
};

}  // namespace ddpm
