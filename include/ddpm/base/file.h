// Files. The program writes all its files through here, so that a reader never sees half a file: a
// file is written beside its final name, synced and renamed, then its folder is synced (as leveldb
// does).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ddpm/base/error.h"

namespace ddpm {

namespace fs = std::filesystem;

// What is known of a file or folder without opening it. Links are followed.
struct FileInfo {
  bool is_file = false;  // a regular one
  bool is_folder = false;
  std::uint64_t bytes = 0;  // of a regular file
  std::chrono::system_clock::time_point modified;
};

// Nothing if there is no such file or folder, nor what a link points to. Throws AccessError if that
// cannot be found out, where fs::exists with an error code would say no.
std::optional<FileInfo> file_info(const fs::path& path);
bool path_exists(const fs::path& path);
bool is_folder(const fs::path& path);

// The whole file as bytes. Throws AccessError if it may not or cannot be read; another IoError if
// it is missing, not a regular file or larger than `max_bytes`.
std::string read_file(const fs::path& path, std::uint64_t max_bytes = std::uint64_t{1} << 30);

// Calls use(part) for the parts of the whole file in order, of at most a MiB each. Throws as
// read_file does. Unlike a map of the file, a disk that fails is an exception.
void for_each_part(const fs::path& path,
                   const std::function<void(std::span<const std::byte>)>& use);

// Replaces `path` by `content` atomically and durably. If it throws IoError, the old file is
// unchanged.
void write_file_atomically(const fs::path& path, std::string_view content);

// Creates the folder and its parents, durably. Throws IoError with the reason; ConfigError rather
// than create a folder with the name ~, which the user of a shell hardly means.
void make_directories(const fs::path& path);

// Makes the entries of a folder durable (fsync); does nothing if the folder may not be read.
void sync_directory(const fs::path& path);

// Renames within one file system and syncs the parent folder. Throws IoError.
void rename_durably(const fs::path& from, const fs::path& to);

// Swaps two names in one folder, at once and durably, so that neither name is ever absent. Returns
// false, and does nothing, where the file system cannot do that. Throws IoError.
bool exchange_durably(const fs::path& a, const fs::path& b);

// Deletes a file, or a folder with everything in it. Does nothing if it is missing. Throws IoError.
void remove_recursively(const fs::path& path);

// A file that grows. Appended bytes reach the kernel at once, so a crash of the program loses none.
// `sync` makes them survive a crash of the machine; another thread may call it at the same time.
class AppendedFile {
 public:
  // Creates the file if it is missing. Throws IoError, as all functions here do.
  explicit AppendedFile(const fs::path& path);
  ~AppendedFile();
  AppendedFile(const AppendedFile&) = delete;
  AppendedFile& operator=(const AppendedFile&) = delete;

  // If it throws, a part of `bytes` may have been written.
  void append(std::string_view bytes);
  void sync();

 private:
  fs::path path_;
  int descriptor_;
};

// The same for whole lines of text (metrics.jsonl).
class LineWriter {
 public:
  explicit LineWriter(const fs::path& path) : file_(path) {}

  // If it throws IoError, a part of the line may remain; the next line then starts on a new line.
  void append(std::string_view line);
  void sync() { file_.sync(); }

 private:
  AppendedFile file_;
  bool torn_ = false;  // the last append failed
};

// Writes a large file from beginning to end. The bytes go to a file beside `path`; `finish` syncs
// it and moves it to `path`. Without `finish`, or if it throws, the old file at `path` is unchanged
// and the new one is removed.
class FileWriter {
 public:
  explicit FileWriter(const fs::path& path);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void write(std::span<const std::byte> bytes);
  void finish();

 private:
  fs::path path_, temporary_;
  int descriptor_;  // -1 once closed
  bool finished_ = false;
};

// Read-only memory map of a whole file. Empty files give an empty span. Throws as read_file does.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// A map of the file for a reader whose errors are `Blamed`, such as DataError: throws that one if
// the file is to blame, and an AccessError as it is (blame_file).
template <class Blamed>
MappedFile map_file(const fs::path& path) {
  try {
    return MappedFile(path);
  } catch (const IoError& error) {
    blame_file<Blamed>(error);
  }
}

// Where file systems keep fragments of files. Only root may read it.
inline constexpr const char* kLostAndFound = "lost+found";

// Everything directly in `folder`, with the folder's path before it, sorted bytewise. Nothing if
// there is no such folder. Throws AccessError if it cannot be listed.
std::vector<fs::path> list_folder(const fs::path& folder);

// Regular files below `folder`, relative, sorted bytewise, so the order is the same on every
// machine. Links are followed, except back to a folder above; hidden files and folders (leading
// dot) are left out, and with a message lost+found, where file systems keep fragments, and links
// that lead nowhere or in a circle. Throws IoError: an AccessError unless `folder` is missing or
// not a folder.
std::vector<fs::path> list_files_recursively(const fs::path& folder);

// Bytes a user could write to the file system that holds `path` (or its nearest existing parent).
std::uint64_t free_disk_bytes(const fs::path& path);

}  // namespace ddpm
