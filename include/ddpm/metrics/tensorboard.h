// Writes event files, which TensorBoard (`tensorboard --logdir runs`) reads while a run goes on. A
// record is a TFRecord of TensorFlow around an `Event` of tensorboard/compat/proto/event.proto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "ddpm/base/file.h"
#include "ddpm/metrics/jsonl.h"

namespace ddpm {

// A PNG file with the size and channels from its header.
struct PngImage {
  std::span<const std::byte> file;
  int height = 0, width = 0, channels = 3;
};

// Encoded `Event` messages. `wall_time`: seconds since 1970.
namespace tensorboard_event {
std::string file_version(double wall_time);  // the first of every file
// Says that earlier events of step `step` and after no longer count.
std::string start(double wall_time, std::int64_t step);
// The numbers of a record except "step", each under its key. Numbers that are not finite are left
// out.
std::string scalars(double wall_time, std::int64_t step, const MetricRecord& record);
std::string image(double wall_time, std::int64_t step, std::string_view tag, const PngImage& image);
std::string text(double wall_time, std::int64_t step, std::string_view tag,
                 std::string_view markdown);
}  // namespace tensorboard_event

// The event with its length and checksums, as a file holds it.
std::string tensorboard_record(std::string_view event);

// Whether the file name is that of an event file.
bool is_tensorboard_file(const std::filesystem::path& name);

// Writes its own file beside those of earlier processes of the run. Each event reaches the kernel
// at once. After an event that could not be written (IoError) the next begins a new file, because
// readers stop where a file is damaged.
class TensorboardWriter {
 public:
  // The first event creates the file. Events of earlier files after `step` no longer count.
  TensorboardWriter(std::filesystem::path folder, std::int64_t step)
      : folder_(std::move(folder)), step_(step) {}

  void add_scalars(std::int64_t step, const MetricRecord& record);
  void add_image(std::int64_t step, std::string_view tag, const PngImage& image);
  void add_text(std::int64_t step, std::string_view tag, std::string_view markdown);

 private:
  void append(std::int64_t step, const std::string& event);

  std::filesystem::path folder_;
  std::int64_t step_;  // step of the last event that counts
  std::unique_ptr<AppendedFile> file_;
};

}  // namespace ddpm
