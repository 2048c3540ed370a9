// Event files, as TensorBoard reads them while a run goes on: `tensorboard --logdir runs`. Records
// are TensorFlow's TFRecord around `Event` messages of tensorboard/compat/proto/event.proto.
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

// A PNG file and what its header says.
struct PngImage {
  std::span<const std::byte> file;
  int height = 0, width = 0, channels = 3;
};

// Encoded `Event` messages. `wall_time`: seconds since 1970.
namespace tensorboard_event {
std::string file_version(double wall_time);  // the first of every file
// Of the events before, those from `step` on no longer count.
std::string start(double wall_time, std::int64_t step);
// The numbers of a record but "step", each under its key; what is not finite is left out.
std::string scalars(double wall_time, std::int64_t step, const MetricRecord& record);
std::string image(double wall_time, std::int64_t step, std::string_view tag, const PngImage& image);
std::string text(double wall_time, std::int64_t step, std::string_view tag,
                 std::string_view markdown);
}  // namespace tensorboard_event

// An event with its length and checksums, as it stands in a file.
std::string tensorboard_record(std::string_view event);

// Whether a file name is one of ours.
bool is_tensorboard_file(const std::filesystem::path& name);

// Writes a file of its own, beside those of earlier processes of the run. Each event reaches the
// kernel at once; after one that could not be written (IoError) the next begins a new file, because
// readers stop where a file is damaged.
class TensorboardWriter {
 public:
  // The file comes with the first event. Of events of earlier files, those after `step` no longer
  // count.
  TensorboardWriter(std::filesystem::path folder, std::int64_t step)
      : folder_(std::move(folder)), step_(step) {}

  void add_scalars(std::int64_t step, const MetricRecord& record);
  void add_image(std::int64_t step, std::string_view tag, const PngImage& image);
  void add_text(std::int64_t step, std::string_view tag, std::string_view markdown);

 private:
  void append(std::int64_t step, const std::string& event);

  std::filesystem::path folder_;
  std::int64_t step_;  // of the last event that counts
  std::unique_ptr<AppendedFile> file_;
};

}  // namespace ddpm
