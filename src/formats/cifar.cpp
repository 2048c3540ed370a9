#include "ddpm/formats/cifar.h"

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/byte_reader.h"
#include "ddpm/formats/pickle.h"
#include "ddpm/formats/tar.h"

namespace ddpm {
namespace {

constexpr std::size_t kPlane = Cifar::kSide * Cifar::kSide;
constexpr std::size_t kImage = 3 * kPlane;
// The real files have at most 50,000 records each; larger files of the same format are allowed too.
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 30;

// The content of each file that is wanted, by its name.
using Files = std::map<std::string, std::vector<std::uint8_t>>;

// One of the two versions of a data set: the names of its files, and how labels are stored.
struct Version {
  std::string folder;              // in the archive
  std::vector<std::string> train;  // in order
  std::string test, names;
};

struct DataSet {
  const char* name;
  std::int64_t classes;
  std::size_t label_bytes;  // of a record; the last one counts
  const char* labels_key;   // in the pickle
  const char* names_key;    // in the pickle of names
  Version binary, python;
};

const DataSet& cifar10() {
  static const DataSet kSet = {
      "CIFAR-10",
      10,
      1,
      "labels",
      "label_names",
      {"cifar-10-batches-bin",
       {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
        "data_batch_5.bin"},
       "test_batch.bin",
       "batches.meta.txt"},
      {"cifar-10-batches-py",
       {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"},
       "test_batch",
       "batches.meta"}};
  return kSet;
}

const DataSet& cifar100() {
  static const DataSet kSet = {
      "CIFAR-100",
      100,
      2,
      "fine_labels",
      "fine_label_names",
      {"cifar-100-binary", {"train.bin"}, "test.bin", "fine_label_names.txt"},
      {"cifar-100-python", {"train"}, "test", "meta"}};
  return kSet;
}

bool is_of(const Version& version, const std::string& name) {
  return name == version.test || name == version.names ||
         std::ranges::find(version.train, name) != version.train.end();
}

Files files_of_archive(const fs::path& path, const DataSet& set) {
  Files files;
  const auto source = open_data_file(path);
  TarReader tar(*source, {.max_members = 1000, .max_member_bytes = kMaxFileBytes});
  while (const auto member = tar.next()) {
    const std::string name = fs::path(member->name).filename().string();
    if (is_of(set.binary, name) || is_of(set.python, name)) files[name] = tar.read();
  }
  return files;
}

Files files_of_folder(fs::path folder, const DataSet& set) {
  for (const Version* version : {&set.binary, &set.python})
    if (is_folder(folder / version->folder)) {
      folder /= version->folder;
      break;
    }
  Files files;
  for (const fs::path& path : list_folder(folder)) {
    const std::string name = path.filename().string();
    const std::optional<FileInfo> info = file_info(path);
    if (!info || !info->is_file || (!is_of(set.binary, name) && !is_of(set.python, name))) continue;
    if (info->bytes > kMaxFileBytes)
      throw DataError(format_text("{}: too large for {}", path.string(), set.name));
    files[name] = read_exactly(*open_data_file(path), info->bytes, "records");
  }
  return files;
}

// Appends an image; its planes become interleaved pixels.
void append_image(const std::uint8_t* planes, std::int64_t label, Cifar& data) {
  data.labels.push_back(label);
  for (std::size_t i = 0; i < kPlane; ++i)
    for (std::size_t c = 0; c < 3; ++c) data.pixels.push_back(planes[c * kPlane + i]);
}

void check_label(const DataSet& set, const std::string& name, std::size_t record,
                 std::int64_t label) {
  if (label < 0 || label >= set.classes)
    throw DataError(format_text("{}: record {} has label {}, not 0 to {}", name, record, label,
                                set.classes - 1));
}

void append_binary(const DataSet& set, const std::vector<std::uint8_t>& bytes,
                   const std::string& name, Cifar& data) {
  const std::size_t record = set.label_bytes + kImage;
  if (bytes.empty() || bytes.size() % record != 0)
    throw DataError(
        format_text("{}: {} bytes are not a positive number of {}-byte records "
                    "(truncated?)",
                    name, bytes.size(), record));
  data.pixels.reserve(data.pixels.size() + bytes.size());
  for (std::size_t offset = 0; offset < bytes.size(); offset += record) {
    const std::int64_t label = bytes[offset + set.label_bytes - 1];
    check_label(set, name, offset / record, label);
    append_image(&bytes[offset + set.label_bytes], label, data);
  }
}

// A dictionary of a pickle, as the scripts of CIFAR's authors wrote it.
class Dictionary {
 public:
  Dictionary(std::span<const std::byte> bytes, const std::string& name)
      : name_(name), tree_(read_as_data([&] { return read_pickle(bytes); }, name + ": ")) {}

  // A list of numbers or of texts.
  std::vector<std::int64_t> integers(std::string_view key) const {
    std::vector<std::int64_t> numbers;
    for (const PickleIndex item : list(key)) {
      if (tree_.values[item].kind != PickleValue::Kind::kInteger) fail(key);
      numbers.push_back(tree_.values[item].integer);
    }
    return numbers;
  }
  std::vector<std::string> texts(std::string_view key) const {
    std::vector<std::string> texts;
    for (const PickleIndex item : list(key)) {
      if (tree_.values[item].kind != PickleValue::Kind::kString) fail(key);
      texts.emplace_back(tree_.values[item].text);
    }
    return texts;
  }
  // The bytes of an array of NumPy: _reconstruct, then filled with (version, shape, type, order,
  // bytes); or, since protocol 5, _frombuffer(bytes, type, shape, order).
  std::string_view array(std::string_view key) const {
    const PickleValue& value = find(key);
    const bool is_filled = value.state != kNoPickleState;
    if (!is_filled && !is_call(value, "_frombuffer")) fail(key);
    const PickleValue& parts = tree_.values[is_filled ? value.state : value.items[1]];
    if (parts.kind != PickleValue::Kind::kTuple || parts.items.size() != (is_filled ? 5U : 4U))
      fail(key);
    const PickleValue& bytes = tree_.values[parts.items[is_filled ? 4 : 0]];
    if (bytes.kind != PickleValue::Kind::kString) fail(key);
    return bytes.text;
  }

 private:
  bool is_call(const PickleValue& value, std::string_view function) const {
    if (value.kind != PickleValue::Kind::kCall) return false;
    const PickleValue& callee = tree_.values[value.items[0]];
    return callee.kind == PickleValue::Kind::kGlobal && callee.name == function;
  }
  [[noreturn]] void fail(std::string_view key) const {
    throw DataError(format_text("{}: there is no usable '{}'", name_, key));
  }
  const PickleValue& find(std::string_view key) const {
    const PickleValue& root = tree_.values[tree_.root];
    if (root.kind == PickleValue::Kind::kDictionary)
      for (std::size_t i = 0; i + 1 < root.items.size(); i += 2)
        if (tree_.values[root.items[i]].text == key) return tree_.values[root.items[i + 1]];
    fail(key);
  }
  const std::vector<PickleIndex>& list(std::string_view key) const {
    const PickleValue& value = find(key);
    if (value.kind != PickleValue::Kind::kList) fail(key);
    return value.items;
  }

  std::string name_;
  PickleTree tree_;
};

void append_python(const DataSet& set, const std::vector<std::uint8_t>& bytes,
                   const std::string& name, Cifar& data) {
  const Dictionary batch(std::as_bytes(std::span(bytes)), name);
  const std::string_view pixels = batch.array("data");
  const std::vector<std::int64_t> labels = batch.integers(set.labels_key);
  if (labels.empty() || pixels.size() != labels.size() * kImage)
    throw DataError(format_text("{}: {} bytes of pixels for {} labels; {} for each are needed",
                                name, pixels.size(), labels.size(), kImage));
  data.pixels.reserve(data.pixels.size() + pixels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    check_label(set, name, i, labels[i]);
    append_image(reinterpret_cast<const std::uint8_t*>(pixels.data()) + i * kImage, labels[i],
                 data);
  }
}

std::vector<std::string> class_names(const DataSet& set, const Files& files,
                                     const std::string& archive) {
  std::vector<std::string> names;
  if (const auto text = files.find(set.binary.names); text != files.end()) {
    std::istringstream lines(std::string(text->second.begin(), text->second.end()));
    for (std::string name; lines >> name;) names.push_back(name);
  } else if (const auto meta = files.find(set.python.names); meta != files.end()) {
    names = Dictionary(std::as_bytes(std::span(meta->second)), archive + ": " + meta->first)
                .texts(set.names_key);
  }
  if (names.size() != static_cast<std::size_t>(set.classes)) names.clear();
  return names;
}

Cifar read(const DataSet& set, const fs::path& path, bool with_test) {
  const std::optional<FileInfo> info = file_info(path);
  if (!info) throw DataError(path.string() + ": no such file or folder");
  Files files = info->is_folder ? files_of_folder(path, set) : files_of_archive(path, set);
  const bool python =
      files.contains(set.python.train.front()) && !files.contains(set.binary.train.front());
  const Version& version = python ? set.python : set.binary;
  std::vector<std::string> wanted = version.train;
  if (with_test) wanted.push_back(version.test);
  Cifar data;
  data.class_names = class_names(set, files, path.string());
  for (const std::string& name : wanted) {
    const auto found = files.find(name);
    if (found == files.end())
      throw DataError(
          format_text("{}: holds no {} (the binary or the Python version of {} is "
                      "needed)",
                      path.string(), name, set.name));
    (python ? append_python : append_binary)(set, found->second, path.string() + ": " + name, data);
    files.erase(found);  // frees the bytes, so that memory holds the pixels only once
  }
  return data;
}

}  // namespace

Cifar read_cifar10(const fs::path& path, bool with_test) {
  return read(cifar10(), path, with_test);
}

Cifar read_cifar100(const fs::path& path, bool with_test) {
  return read(cifar100(), path, with_test);
}

}  // namespace ddpm
