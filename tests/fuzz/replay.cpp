// Runs a fuzz target without a fuzzer: on every file of its corpus, on every beginning of each, and
// on copies with one to four changed bytes. The same inputs in every run. usage: <target>_replay
// CORPUS_FOLDER [MUTATIONS_PER_FILE]
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

void run(const Bytes& bytes) {
  // A copy of exactly this length, so that a sanitizer sees every byte read too far.
  const Bytes exact(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

// One to four bytes set to values that mean much in binary formats, or to random ones.
Bytes mutate(Bytes bytes, std::mt19937& random) {
  constexpr std::uint8_t kValues[] = {0, 1, 0x7F, 0x80, 0xFF};
  for (unsigned i = 0, count = 1 + random() % 4; i < count && !bytes.empty(); ++i) {
    std::uint8_t& byte = bytes[random() % bytes.size()];
    switch (random() % 3) {
      case 0:
        byte = kValues[random() % std::size(kValues)];
        break;
      case 1:
        byte ^= static_cast<std::uint8_t>(1U << random() % 8);
        break;
      default:
        byte = static_cast<std::uint8_t>(random());
    }
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER [MUTATIONS_PER_FILE]\n", argv[0]);
    return 2;
  }
  const int mutations = argc > 2 ? std::atoi(argv[2]) : 2000;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) files.push_back(entry);
  std::sort(files.begin(), files.end());
  std::size_t runs = 0;
  for (const std::filesystem::path& path : files) {
    std::ifstream stream(path, std::ios::binary);
    const Bytes bytes{std::istreambuf_iterator<char>(stream), {}};
    const std::size_t stride = std::max<std::size_t>(bytes.size() / 512, 1);
    for (std::size_t size = 0; size <= bytes.size(); size += stride, ++runs)
      run({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)});
    std::mt19937 random(1);
    for (int i = 0; i < mutations; ++i, ++runs) run(mutate(bytes, random));
    run(bytes);
  }
  std::printf("%zu files, %zu inputs\n", files.size(), runs);
  return files.empty() ? 1 : 0;
}
