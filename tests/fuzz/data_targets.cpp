// Fuzz targets: data sets, pictures and sound.
#include <array>
#include <utility>

#include "ddpm/audio/wav.h"
#include "ddpm/formats/byte_reader.h"
#include "ddpm/formats/cifar.h"
#include "ddpm/formats/gzip.h"
#include "ddpm/formats/idx.h"
#include "ddpm/formats/tar.h"
#include "ddpm/image/codec.h"
#include "fuzz/reading.h"
#include "fuzz/targets.h"

namespace ddpm::testing {
namespace {

bool idx(Bytes input) {
  return accepted([&] {
    for (const int rank : {1, 3}) {
      MemoryReader reader(input, "fuzz");
      if (input.size() > 3 && std::to_integer<int>(input[3]) != rank) continue;
      const IdxArray array = read_idx(reader, rank);
      std::int64_t count = 1;
      for (const std::int64_t size : array.shape) count *= size;
      require(static_cast<std::int64_t>(array.values.size()) == count);
    }
  });
}

bool gzip(Bytes input) {
  constexpr std::size_t kMaxBytes = 1 << 18;  // a small file can unpack to any size
  return accepted([&] {
    GzipReader reader(input, "fuzz");
    std::array<std::byte, 4096> part{};
    for (std::size_t done = 0; done < kMaxBytes; done += part.size()) {
      const std::size_t got = reader.read(part);
      touch(std::span(part).first(got));
      if (got < part.size()) return;
    }
  });
}

bool tar(Bytes input) {
  return accepted([&] {
    MemoryReader reader(input, "fuzz");
    TarReader archive(reader, {.max_members = 100, .max_member_bytes = 1 << 20});
    bool read_it = true;
    while (const auto member = archive.next()) {
      require(!member->name.starts_with('/') && !member->name.starts_with("../"));
      require(member->name.find("/../") == std::string::npos);
      if (std::exchange(read_it, !read_it)) require(archive.read().size() == member->size);
    }
  });
}

bool cifar10(Bytes input) {
  const MemoryFile file(input);
  return accepted([&] {
    const Cifar data = read_cifar10(file.path());
    require(data.pixels.size() == data.labels.size() * 3072);
  });
}

bool image(Bytes input) {
  // Larger images are allowed, but they are slow to decode.
  constexpr long long kMaxPixels = 1 << 20;
  return accepted([&] {
    const ImageInfo info = read_image_info(input, "fuzz");
    require(info.width <= kMaxImageSide && info.height <= kMaxImageSide);
    if (static_cast<long long>(info.width) * info.height > kMaxPixels)
      throw DataError("not decoded here");
    const Image decoded = decode_image(input, "fuzz");
    require(decoded.width == info.width && decoded.height == info.height);
    require(decoded.pixels.size() == static_cast<std::size_t>(decoded.width) *
                                         static_cast<std::size_t>(decoded.height) *
                                         static_cast<std::size_t>(decoded.channels));
    touch(std::as_bytes(std::span(decoded.pixels)));
  });
}

bool png_text(Bytes input) {
  return accepted([&] {
    for (const auto& [keyword, text] : read_png_text(input, "fuzz"))
      require(keyword.find('\0') == std::string::npos);
  });
}

bool wav(Bytes input) {
  return accepted([&] {
    const Sound sound = read_wav(input, "fuzz");
    require(sound.rate >= 1 && sound.rate <= kMaxSamplingRate);
    require(sound.samples.size() * static_cast<std::size_t>(sound.channels) <= input.size());
  });
}

constexpr std::array kTargets = std::to_array<FuzzTarget>({{"idx", idx},
                                                           {"gzip", gzip},
                                                           {"tar", tar},
                                                           {"cifar10", cifar10},
                                                           {"png", image},
                                                           {"jpeg", image},
                                                           {"webp", image},
                                                           {"bmp", image},
                                                           {"png_text", png_text},
                                                           {"wav", wav}});

}  // namespace

std::span<const FuzzTarget> data_targets() { return kTargets; }

}  // namespace ddpm::testing
