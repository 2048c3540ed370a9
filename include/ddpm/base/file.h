// Files. Everything the program writes goes through here, so that a reader never sees half a file:
// written beside its final name, synced, renamed, folder synced (the order leveldb uses).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ddpm {

namespace fs = std::filesystem;

// Whole file as bytes. Throws IoError if it cannot be read or is larger than `max_bytes`.
std::string read_file(const fs::path& path, std::uint64_t max_bytes = std::uint64_t{1} << 30);

// Replaces `path` by `content` atomically and durably. Throws IoError; the old file then still
// stands.
void write_file_atomically(const fs::path& path, std::string_view content);

// Creates the folder and its parents, durably. Throws IoError with the reason.
void make_directories(const fs::path& path);

// Makes the entries of a folder durable (fsync), where it may be read.
void sync_directory(const fs::path& path);

// Renames within one file system and syncs the parent folder. Throws IoError.
void rename_durably(const fs::path& from, const fs::path& to);

// Swaps what two names in one folder stand for, at once and durably, so that neither name is ever
// absent. False, and nothing happened, where the file system cannot do that. Throws IoError.
bool exchange_durably(const fs::path& a, const fs::path& b);

// Deletes a file or a folder with everything in it; a missing one is fine. Throws IoError.
void remove_recursively(const fs::path& path);

// A file that grows. What is appended reaches the kernel at once, so a crash of the program loses
// none; `sync` makes it survive a crash of the machine, and may run in another thread meanwhile.
class AppendedFile {
 public:
  // Creates it if it is missing. Throws IoError, as do the others.
  explicit AppendedFile(const fs::path& path);
  ~AppendedFile();
  AppendedFile(const AppendedFile&) = delete;
  AppendedFile& operator=(const AppendedFile&) = delete;

  // If it throws, a part may have been written.
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

  // Throws IoError; the next line then starts anew, whatever was left of this one.
  void append(std::string_view line);
  void sync() { file_.sync(); }

 private:
  AppendedFile file_;
  bool torn_ = false;  // the last append failed
};

// Sequential writer of a file, for large binary content: writes beside `path`, and `finish` syncs
// and puts the file in its place. Without it, or if it throws, what stood at `path` still does, and
// nothing else is left.
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

// Read-only memory map of a whole file. Empty files give an empty span.
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

// Regular files below `folder`, relative, sorted bytewise, so the order is the same on every
// machine. Links are followed, except back to a folder above; hidden files and folders (leading
// dot) are left out. Throws IoError.
std::vector<fs::path> list_files_recursively(const fs::path& folder);

// Bytes a user could write to the file system that holds `path` (or its nearest existing parent).
std::uint64_t free_disk_bytes(const fs::path& path);

}  // namespace ddpm
