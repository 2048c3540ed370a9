// CIFAR-10, binary version (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html). A record
// is one label byte and 3072 pixel bytes: three planes R, G, B of 32x32.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ddpm {

struct Cifar10 {
  static constexpr std::int64_t kSide = 32;
  static constexpr std::int64_t kChannels = 3;

  std::vector<std::uint8_t> pixels;      // [N,32,32,3]: channels last, unlike in the file
  std::vector<std::int64_t> labels;      // [N], 0..9
  std::vector<std::string> class_names;  // the ten of batches.meta.txt; empty if it is missing

  std::int64_t count() const noexcept { return static_cast<std::int64_t>(labels.size()); }
};

// Reads the training images, in the order of the files. `path` is the folder with data_batch_1.bin
// .. data_batch_5.bin, the folder that holds cifar-10-batches-bin, or cifar-10-binary.tar.gz as
// downloaded. `with_test` appends test_batch.bin. Throws DataError that names the file and the
// reason: missing batch, size not a multiple of 3073, label above 9.
Cifar10 read_cifar10(const std::filesystem::path& path, bool with_test = false);

}  // namespace ddpm
