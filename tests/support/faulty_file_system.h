// A file system whose n-th operation fails, to test what an interrupted save leaves.
#pragma once

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "ddpm/base/file_system.h"
#include "support/files.h"

namespace ddpm::testing {

enum class Fault {
  kError,     // one operation fails, later ones work: a bad sector, an interrupted mount
  kDiskFull,  // from then on nothing can be written
  kCrash,     // from then on nothing works, and what was not synced is lost: a power cut
};

class FaultyFileSystem : public FileSystem {
 public:
  // The `failing`-th call of open, write, sync, make_directory, rename or exchange fails, counted
  // from 1. Names can be exchanged only if `can_exchange`.
  FaultyFileSystem(Fault fault, int failing, bool can_exchange = true)
      : fault_(fault), failing_(failing), can_exchange_(can_exchange) {}

  // Whether the n-th operation was reached.
  bool failed() const { return calls_ >= failing_; }

  int open(const char* path, int flags) override {
    const std::lock_guard lock(mutex_);
    if (fails()) return refuse(fault_ == Fault::kDiskFull ? ENOSPC : EIO);
    const int descriptor = FileSystem::open(path, flags);
    paths_[descriptor] = path;
    return descriptor;
  }

  // The failing write writes half of its bytes, as on a full disk.
  ssize_t write(int descriptor, const void* data, std::size_t size) override {
    const std::lock_guard lock(mutex_);
    const bool gone = stopped_;
    if (fails()) {
      if (!gone && size > 1) FileSystem::write(descriptor, data, size / 2);
      return refuse(ENOSPC);
    }
    unsynced_.insert(paths_[descriptor]);
    return FileSystem::write(descriptor, data, size);
  }

  int sync(int descriptor) override {
    const std::lock_guard lock(mutex_);
    if (fails()) return refuse(EIO);
    const std::string& path = paths_[descriptor];
    unsynced_.erase(path);
    const auto is_inside = [&](const std::filesystem::path& p) { return p.parent_path() == path; };
    std::erase_if(renames_, [&](const Rename& r) { return is_inside(r.to); });
    std::erase_if(folders_, is_inside);
    return 0;
  }

  int make_directory(const char* path) override {
    const std::lock_guard lock(mutex_);
    if (fails()) return refuse(fault_ == Fault::kDiskFull ? ENOSPC : EIO);
    const int result = FileSystem::make_directory(path);
    if (result == 0) folders_.emplace_back(path);
    return result;
  }

  int rename(const char* from, const char* to) override {
    const std::lock_guard lock(mutex_);
    if (fails()) return refuse(EIO);
    const std::filesystem::path old = backup_ / std::to_string(calls_);
    std::error_code ignored;
    if (std::filesystem::is_regular_file(to, ignored)) std::filesystem::copy_file(to, old);
    const int result = FileSystem::rename(from, to);
    if (result == 0) renames_.push_back({from, to, old, false});
    if (result == 0 && unsynced_.erase(from) > 0) unsynced_.insert(to);
    return result;
  }

  int exchange(const char* a, const char* b) override {
    const std::lock_guard lock(mutex_);
    if (!can_exchange_) return refuse(EINVAL);
    if (fails()) return refuse(EIO);
    const int result = FileSystem::exchange(a, b);
    if (result == 0) renames_.push_back({a, b, {}, true});
    return result;
  }

  // Makes the state that a machine finds after a power cut: files that were not synced lose half of
  // their content; renames and new folders are undone if the folder they are in was not synced.
  void lose_unsynced() {
    for (const std::string& path : unsynced_) {
      std::error_code gone;
      const auto size = std::filesystem::file_size(path, gone);
      if (!gone) std::filesystem::resize_file(path, size / 2);
    }
    for (auto it = renames_.rbegin(); it != renames_.rend(); ++it) {
      if (it->exchanged)
        FileSystem::exchange(it->from.c_str(), it->to.c_str());
      else
        FileSystem::rename(it->to.c_str(), it->from.c_str());
      if (std::filesystem::exists(it->old)) std::filesystem::copy_file(it->old, it->to);
    }
    for (const std::filesystem::path& folder : folders_) std::filesystem::remove_all(folder);
  }

 private:
  struct Rename {
    std::string from, to;
    std::filesystem::path old;  // a copy of the file that the rename replaced
    bool exchanged;
  };

  // Counts a call. Returns whether it must fail.
  bool fails() {
    ++calls_;
    const bool now = calls_ == failing_;
    if (now && fault_ != Fault::kError) stopped_ = true;
    return now || stopped_;
  }
  static int refuse(int error) {
    errno = error;
    return -1;
  }

  Fault fault_;
  int failing_;
  bool can_exchange_;
  bool stopped_ = false;
  int calls_ = 0;
  std::mutex mutex_;
  TemporaryFolder backup_folder_;
  std::filesystem::path backup_ = backup_folder_.path();
  std::map<int, std::string> paths_;  // by descriptor
  std::set<std::string> unsynced_;
  std::vector<Rename> renames_;
  std::vector<std::filesystem::path> folders_;  // new ones, not synced yet
};

// A file system on which everything at or below one path fails with the same error, as for a user
// who lacks permission. Unlike chmod it works for root too.
class UnreadableFileSystem : public FileSystem {
 public:
  enum class Denied { kAll, kReading };  // kReading: files can be opened, but not read

  UnreadableFileSystem(std::filesystem::path place, int error, Denied denied = Denied::kAll)
      : place_(std::move(place)), error_(error), denied_(denied) {}

  int open(const char* path, int flags) override {
    if (is_inside(path) && denied_ == Denied::kAll) return refuse();
    const int descriptor = FileSystem::open(path, flags);
    if (is_inside(path)) unreadable_.insert(descriptor);
    return descriptor;
  }
  int status(const char* path, struct stat* result) override {
    const bool in_folder = is_inside(path) && std::filesystem::path(path) != place_;
    return in_folder && denied_ == Denied::kAll ? refuse() : FileSystem::status(path, result);
  }
  ssize_t read(int descriptor, void* data, std::size_t size) override {
    return unreadable_.contains(descriptor) ? refuse() : FileSystem::read(descriptor, data, size);
  }

 private:
  bool is_inside(const std::filesystem::path& path) const {
    const auto [end, ignored] =
        std::mismatch(place_.begin(), place_.end(), path.begin(), path.end());
    return end == place_.end();
  }
  int refuse() const {
    errno = error_;
    return -1;
  }

  std::filesystem::path place_;
  int error_;
  Denied denied_;
  std::set<int> unreadable_;
};

}  // namespace ddpm::testing
