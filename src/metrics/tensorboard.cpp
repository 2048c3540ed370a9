#include "ddpm/metrics/tensorboard.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>

#include "ddpm/base/bytes.h"
#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/host.h"

namespace ddpm {
namespace {

constexpr const char* kPrefix = "events.out.tfevents.";
constexpr const char* kSuffix = ".ddpm";

// CRC-32C (Castagnoli), reflected. zlib's CRC-32 uses another polynomial.
std::uint32_t crc32c(std::string_view bytes) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> remainders{};
    for (std::uint32_t byte = 0; byte < remainders.size(); ++byte) {
      std::uint32_t remainder = byte;
      for (int bit = 0; bit < 8; ++bit)
        remainder = remainder >> 1 ^ (remainder & 1 ? 0x82f63b78u : 0);
      remainders[byte] = remainder;
    }
    return remainders;
  }();
  std::uint32_t crc = ~0u;
  for (const char c : bytes) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ crc >> 8;
  return ~crc;
}

void append_masked_crc(std::string& to, std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  append_little_endian(to, std::rotr(crc, 15) + 0xa282ead8u, 4);
}

// Builds a protocol buffer message field by field.
class Message {
 public:
  Message& integer(unsigned field, std::int64_t value) {
    key(field, 0);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  Message& real64(unsigned field, double value) {
    key(field, 1);
    append_little_endian(bytes_, std::bit_cast<std::uint64_t>(value), 8);
    return *this;
  }
  Message& real32(unsigned field, float value) {
    key(field, 5);
    append_little_endian(bytes_, std::bit_cast<std::uint32_t>(value), 4);
    return *this;
  }
  Message& text(unsigned field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(unsigned field, const Message& value) { return text(field, value.bytes_); }

  const std::string& bytes() const { return bytes_; }

 private:
  void key(unsigned field, unsigned wire_type) { varint(field << 3 | wire_type); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

// The field numbers are from tensorboard/compat/proto/{event,summary,tensor,tensor_shape}.proto.

Message event(double wall_time, std::int64_t step) {
  Message message;
  message.real64(1, wall_time);
  if (step != 0) message.integer(2, step);  // the default is not written
  return message;
}

Message summary(double wall_time, std::int64_t step, const Message& value) {
  return event(wall_time, step).message(5, Message().message(1, value));
}

double seconds_since_1970() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// The name sorts behind those of earlier files in the folder, because TensorBoard reads the files
// in that order.
std::string new_file_name() {
  std::string host = host_name();
  std::ranges::replace(host, '/', '_');
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  return format_text("{}{}.{:06}.{}.{}{}", kPrefix, microseconds / 1'000'000,
                     microseconds % 1'000'000, host, ::getpid(), kSuffix);
}

}  // namespace

namespace tensorboard_event {

std::string file_version(double wall_time) {
  return event(wall_time, 0).text(3, "brain.Event:2").bytes();
}

std::string start(double wall_time, std::int64_t step) {
  constexpr std::int64_t kStart = 1;
  return event(wall_time, step).message(7, Message().integer(1, kStart)).bytes();
}

std::string scalars(double wall_time, std::int64_t step, const MetricRecord& record) {
  Message summary;
  for (const auto& [key, value] : record) {
    const double number = metric_number(record, key);
    if (key == "step" || !std::isfinite(number)) continue;
    summary.message(1, Message().text(1, key).real32(2, static_cast<float>(number)));
  }
  return event(wall_time, step).message(5, summary).bytes();
}

std::string image(double wall_time, std::int64_t step, std::string_view tag,
                  const PngImage& image) {
  const Message content =
      Message()
          .integer(1, image.height)
          .integer(2, image.width)
          .integer(3, image.channels)
          .text(4, {reinterpret_cast<const char*>(image.file.data()), image.file.size()});
  return summary(wall_time, step, Message().text(1, tag).message(4, content)).bytes();
}

std::string text(double wall_time, std::int64_t step, std::string_view tag,
                 std::string_view markdown) {
  constexpr std::int64_t kString = 7;  // DataType
  const Message shape = Message().message(2, Message().integer(1, 1));
  const Message tensor = Message().integer(1, kString).message(2, shape).text(8, markdown);
  const Message metadata = Message().message(1, Message().text(1, "text"));
  return summary(wall_time, step, Message().text(1, tag).message(8, tensor).message(9, metadata))
      .bytes();
}

}  // namespace tensorboard_event

std::string tensorboard_record(std::string_view event) {
  std::string record;
  append_little_endian(record, event.size(), 8);
  append_masked_crc(record, std::string(record));
  record += event;
  append_masked_crc(record, event);
  return record;
}

bool is_tensorboard_file(const std::filesystem::path& name) {
  const std::string text = name.filename().string();
  return text.starts_with(kPrefix) && text.ends_with(kSuffix);
}

void TensorboardWriter::append(std::int64_t step, const std::string& event) {
  std::string records;
  if (file_ == nullptr) {
    file_ = std::make_unique<AppendedFile>(folder_ / new_file_name());
    const double now = seconds_since_1970();
    records = tensorboard_record(tensorboard_event::file_version(now)) +
              tensorboard_record(tensorboard_event::start(now, step_ + 1));
  }
  try {
    file_->append(records + tensorboard_record(event));
  } catch (const IoError&) {
    file_.reset();
    throw;
  }
  step_ = step;
}

void TensorboardWriter::add_scalars(std::int64_t step, const MetricRecord& record) {
  append(step, tensorboard_event::scalars(seconds_since_1970(), step, record));
}

void TensorboardWriter::add_image(std::int64_t step, std::string_view tag, const PngImage& image) {
  append(step, tensorboard_event::image(seconds_since_1970(), step, tag, image));
}

void TensorboardWriter::add_text(std::int64_t step, std::string_view tag,
                                 std::string_view markdown) {
  append(step, tensorboard_event::text(seconds_since_1970(), step, tag, markdown));
}

}  // namespace ddpm
