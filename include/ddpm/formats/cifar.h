// CIFAR-10 and CIFAR-100 (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html), in both
// versions that can be downloaded. Binary: a record is one label byte (CIFAR-100: two, coarse and
// fine) and 3072 pixel bytes, three planes R, G, B of 32x32. Python: a pickle with an array of such
// rows and a list of labels; it is read as data (pickle.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ddpm {

struct Cifar {
  static constexpr std::int64_t kSide = 32;
  static constexpr std::int64_t kChannels = 3;

  std::vector<std::uint8_t> pixels;      // [N,32,32,3]: channels last, unlike in the file
  std::vector<std::int64_t> labels;      // [N], 0..9, or 0..99: CIFAR-100's fine labels
  std::vector<std::string> class_names;  // of all labels; empty if the file of names is missing

  std::int64_t count() const noexcept { return static_cast<std::int64_t>(labels.size()); }
};

// Read the training images, in the order of the files. `path` is the folder with the files
// (data_batch_1.bin or data_batch_1; train.bin or train), the folder around it, or the archive as
// downloaded. `with_test` appends the test images. Throw DataError that names the file and the
// reason: a missing file, a wrong size, a label that is too large.
Cifar read_cifar10(const std::filesystem::path& path, bool with_test = false);
Cifar read_cifar100(const std::filesystem::path& path, bool with_test = false);

}  // namespace ddpm
