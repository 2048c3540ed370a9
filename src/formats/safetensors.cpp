#include "ddpm/formats/safetensors.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>

#include <nlohmann/json.hpp>

#include "ddpm/base/bytes.h"
#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "dtypes.h"

namespace ddpm {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the official reader
constexpr std::size_t kLengthBytes = 8;
constexpr std::string_view kMetadataKey = "__metadata__";

// "tensor 'conv.weight': reason", or the reason alone if it does not concern a tensor.
std::string about(const std::string& tensor, const std::string& reason) {
  return tensor.empty() ? reason : "tensor '" + tensor + "': " + reason;
}

// A tensor as the header describes it; offsets are relative to the start of the data.
struct Entry {
  std::string name;
  std::optional<DType> dtype;
  std::optional<std::vector<std::int64_t>> shape;
  std::optional<std::vector<std::int64_t>> offsets;
};

struct Header {
  std::vector<Entry> entries;
  SafetensorsMetadata metadata;
};

// Reads the header as a stream of events, because the document tree of a hostile header could need
// a hundred times the header's memory. It accepts the grammar of the format and nothing else. A
// function stops the parser by returning false, with `error` set.
class HeaderParser {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  Header header;
  std::string error;

  bool start_object(std::size_t) {
    if (state_ == State::kStart) return enter(State::kTop);
    if (state_ == State::kTop && key_ == kMetadataKey) return enter(State::kMetadata);
    if (state_ != State::kTop) return unexpected("an object");
    header.entries.push_back({.name = key_, .dtype = {}, .shape = {}, .offsets = {}});
    return enter(State::kTensor);
  }

  bool key(string_t& name) {
    if (state_ == State::kTop && !names_.insert(name).second)
      return fail("'" + name + "' appears twice in the header");
    if (state_ == State::kMetadata && header.metadata.contains(name))
      return fail("metadata key '" + name + "' appears twice");
    if (state_ == State::kTensor && repeats_field(name))
      return fail(about(tensor(), "'" + name + "' appears twice"));
    key_ = std::move(name);
    return true;
  }

  bool end_object() {
    if (state_ == State::kTop) return enter(State::kEnd);
    if (state_ == State::kTensor) {
      const Entry& entry = header.entries.back();
      if (!entry.dtype || !entry.shape || !entry.offsets)
        return fail(about(tensor(), "dtype, shape or data_offsets is missing"));
    }
    return enter(State::kTop);
  }

  bool start_array(std::size_t) {
    if (state_ != State::kTensor) return unexpected("an array");
    Entry& entry = header.entries.back();
    if (key_ == "shape") {
      numbers_ = &entry.shape.emplace();
    } else if (key_ == "data_offsets") {
      numbers_ = &entry.offsets.emplace();
    } else {
      return unexpected("an array");
    }
    return enter(State::kNumbers);
  }

  bool end_array() { return enter(State::kTensor); }

  bool number_unsigned(number_unsigned_t value) {
    if (state_ != State::kNumbers) return unexpected("a number");
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max()))
      return fail(about(tensor(), "a number in '" + key_ + "' is too large"));
    numbers_->push_back(static_cast<std::int64_t>(value));
    return true;
  }

  bool string(string_t& value) {
    if (state_ == State::kMetadata) {
      header.metadata.emplace(key_, std::move(value));
      return true;
    }
    if (state_ != State::kTensor || key_ != "dtype") return unexpected("a string");
    header.entries.back().dtype = parse_dtype(value);
    if (!header.entries.back().dtype) return fail(about(tensor(), "unknown dtype '" + value + "'"));
    return true;
  }

  bool number_integer(number_integer_t) { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) { return unexpected("a fraction"); }
  bool boolean(bool) { return unexpected("a boolean"); }
  bool null() { return unexpected("null"); }
  bool binary(binary_t&) { return unexpected("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    return fail("header is not valid JSON at byte " + std::to_string(position));
  }

 private:
  enum class State { kStart, kTop, kMetadata, kTensor, kNumbers, kEnd };

  bool enter(State state) {
    state_ = state;
    return true;
  }

  bool fail(std::string reason) {
    if (error.empty()) error = std::move(reason);
    return false;
  }

  bool unexpected(const std::string& what) {
    const std::string where = key_.empty() ? "" : " in '" + key_ + "'";
    return fail(about(tensor(), "unexpected " + what + " in the header" + where));
  }

  // The tensor that is being described, if one is.
  std::string tensor() const {
    const bool inside = state_ == State::kTensor || state_ == State::kNumbers;
    return inside ? header.entries.back().name : "";
  }

  bool repeats_field(const std::string& name) const {
    const Entry& entry = header.entries.back();
    return (name == "dtype" && entry.dtype) || (name == "shape" && entry.shape) ||
           (name == "data_offsets" && entry.offsets);
  }

  State state_ = State::kStart;
  std::string key_;
  std::set<std::string> names_;
  std::vector<std::int64_t>* numbers_ = nullptr;
};

// The size in bytes of a tensor of this shape, or nothing if that overflows.
std::optional<std::uint64_t> byte_count(std::span<const std::int64_t> shape, DType dtype) {
  std::uint64_t total = dtype_size(dtype);
  for (const std::int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (__builtin_mul_overflow(total, static_cast<std::uint64_t>(size), &total))
      return std::nullopt;
  }
  return total;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) text += (text.size() > 1 ? "," : "") + std::to_string(size);
  return text + "]";
}

// Tensors must fill the data exactly: no gap in which other data could hide, no overlap, nothing
// past the end.
std::vector<TensorView> place_tensors(std::vector<Entry>& entries,
                                      std::span<const std::byte> data) {
  const auto fail = [](const std::string& tensor, const std::string& reason) {
    throw CheckpointError(about(tensor, reason));
  };
  for (const Entry& entry : entries)
    if (entry.offsets->size() != 2) fail(entry.name, "data_offsets are not two numbers");
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return *a.offsets < *b.offsets; });
  std::vector<TensorView> views;
  std::uint64_t position = 0;
  for (Entry& entry : entries) {
    const auto begin = static_cast<std::uint64_t>((*entry.offsets)[0]);
    const auto end = static_cast<std::uint64_t>((*entry.offsets)[1]);
    if (begin != position) fail(entry.name, "data overlap or leave a gap");
    if (end < begin || end > data.size())
      fail(entry.name, "data reach beyond the end of the file, which is truncated or damaged");
    if (byte_count(*entry.shape, *entry.dtype) != end - begin)
      fail(entry.name, std::to_string(end - begin) + " bytes do not fit shape " +
                           shape_text(*entry.shape) + " of " +
                           std::string(dtype_name(*entry.dtype)));
    views.push_back({std::move(entry.name), *entry.dtype, std::move(*entry.shape),
                     data.subspan(begin, end - begin)});
    position = end;
  }
  if (position != data.size())
    fail("", std::to_string(data.size() - position) + " bytes after the last tensor");
  return views;
}

std::uint64_t read_length(std::span<const std::byte> file) {
  if (file.size() < kLengthBytes) throw CheckpointError("too short for a safetensors file");
  const std::uint64_t length = load_little_endian(file.first(kLengthBytes));
  if (length > kMaxHeaderBytes || length > file.size() - kLengthBytes)
    throw CheckpointError("not a safetensors file, or truncated: its header claims " +
                          std::to_string(length) + " bytes");
  return length;
}

Header parse_header(std::string_view text) {
  if (!text.starts_with('{')) throw CheckpointError("header is not a JSON object");
  HeaderParser parser;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &parser))
    throw CheckpointError(parser.error);
  return std::move(parser.header);
}

// Descending element size, then name.
std::vector<const TensorView*> writing_order(std::span<const TensorView> tensors) {
  std::vector<const TensorView*> order;
  for (const TensorView& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const TensorView* a, const TensorView* b) {
    const std::size_t size_a = dtype_size(a->dtype);
    const std::size_t size_b = dtype_size(b->dtype);
    return size_a != size_b ? size_a > size_b : a->name < b->name;
  });
  return order;
}

void check_writable(const TensorView& tensor, std::set<std::string_view>& names) {
  if (tensor.name == kMetadataKey) throw CheckpointError(about(tensor.name, "name is reserved"));
  if (!names.insert(tensor.name).second)
    throw CheckpointError(about(tensor.name, "is given twice"));
  if (byte_count(tensor.shape, tensor.dtype) != tensor.bytes.size())
    throw CheckpointError(about(tensor.name, std::to_string(tensor.bytes.size()) +
                                                 " bytes do not fit shape " +
                                                 shape_text(tensor.shape)));
}

// Length and header, padded with spaces so that the data start at a multiple of 8. The outer object
// is put together as text, because nlohmann::json would not keep the order of the tensors.
std::string make_header(const std::vector<const TensorView*>& order,
                        const SafetensorsMetadata& metadata) try {
  std::string text = "{";
  if (!metadata.empty())
    text += nlohmann::json(kMetadataKey).dump() + ":" + nlohmann::json(metadata).dump() + ",";
  std::uint64_t position = 0;
  for (const TensorView* tensor : order) {
    const std::uint64_t end = position + tensor->bytes.size();
    const nlohmann::ordered_json entry = {{"dtype", dtype_name(tensor->dtype)},
                                          {"shape", tensor->shape},
                                          {"data_offsets", {position, end}}};
    text += nlohmann::json(tensor->name).dump() + ":" + entry.dump() + ",";
    position = end;
  }
  if (text.back() == ',') text.pop_back();
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string length;
  append_little_endian(length, text.size(), kLengthBytes);
  return length + text;
} catch (const nlohmann::json::type_error&) {
  throw CheckpointError("a tensor name or a metadata text is not valid UTF-8");
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), file_(map_file<CheckpointError>(path)) {
  try {
    const std::span<const std::byte> bytes = file_.bytes();
    const std::uint64_t length = read_length(bytes);
    const char* text = reinterpret_cast<const char*>(bytes.data()) + kLengthBytes;
    Header header = parse_header({text, static_cast<std::size_t>(length)});
    tensors_ = place_tensors(header.entries, bytes.subspan(kLengthBytes + length));
    metadata_ = std::move(header.metadata);
  } catch (const CheckpointError& error) {
    throw CheckpointError(path.string() + ": " + error.what());
  }
  for (std::size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
}

const TensorView* SafetensorsFile::find(std::string_view name) const noexcept {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

const TensorView& SafetensorsFile::get(std::string_view name) const {
  if (const TensorView* tensor = find(name)) return *tensor;
  throw CheckpointError(path_.string() + ": tensor '" + std::string(name) + "' is missing");
}

void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       const SafetensorsMetadata& metadata) {
  std::set<std::string_view> names;
  for (const TensorView& tensor : tensors) check_writable(tensor, names);
  const std::vector<const TensorView*> order = writing_order(tensors);
  const std::string header = make_header(order, metadata);
  FileWriter writer(path);
  writer.write(std::as_bytes(std::span(header)));
  for (const TensorView* tensor : order) writer.write(tensor->bytes);
  writer.finish();
}

}  // namespace ddpm
