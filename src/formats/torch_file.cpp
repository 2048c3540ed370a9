#include "ddpm/formats/torch_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "torch_archive.h"

namespace ddpm {
namespace {

using Kind = PickleValue::Kind;

constexpr int kMaxDepth = 16;         // of nested dictionaries
constexpr std::size_t kMaxRank = 16;  // of a tensor

// Whether the reference is to something that can run commands, open files or load code. Reading a
// file never calls anything, so this protects nobody here. It protects the user's Python: such a
// file is not what it claims to be, and torch.load might run it.
bool is_hostile(const PickleValue& global) {
  static const std::set<std::string_view> kModules = {
      "asyncio",    "bdb", "codeop",   "ctypes", "ftplib", "http",       "imp",      "importlib",
      "marshal",    "nt",  "os",       "pdb",    "pickle", "pip",        "pkgutil",  "platform",
      "posix",      "pty", "requests", "runpy",  "shutil", "signal",     "smtplib",  "socket",
      "subprocess", "sys", "tempfile", "timeit", "urllib", "webbrowser", "zipimport"};
  // Also under their names in Python 2, which older protocols write; getattr names nested classes.
  static const std::set<std::string_view> kBuiltins = {
      "Ellipsis",  "NotImplemented", "bool",      "bytearray", "bytes", "complex", "dict",
      "enumerate", "float",          "frozenset", "getattr",   "int",   "iter",    "list",
      "long",      "object",         "range",     "reversed",  "set",   "slice",   "str",
      "tuple",     "type",           "unicode",   "xrange",    "zip"};
  static const std::set<std::string_view> kFunctions = {"_pickle.loads",
                                                        "numpy.load",
                                                        "numpy.testing._private.utils.runstring",
                                                        "operator.attrgetter",
                                                        "operator.methodcaller",
                                                        "torch.hub.load",
                                                        "torch.jit.load",
                                                        "torch.load",
                                                        "torch.serialization.load",
                                                        "types.CodeType",
                                                        "types.FunctionType"};
  if (global.text == "builtins" || global.text == "__builtin__")
    return !kBuiltins.contains(global.name);
  return kModules.contains(global.text.substr(0, global.text.find('.'))) ||
         kFunctions.contains(full_name(global));
}

// A mapped file, and the tensors that are not contiguous in it.
struct File {
  explicit File(const fs::path& path) : map(path) {}
  MappedFile map;
  std::vector<std::vector<std::byte>> copies;
};

struct Storage {
  DType dtype = DType::kF32;
  std::span<const std::byte> bytes;
  std::uint64_t count = 0;  // elements
};

// The number of elements of a shape, the distance of the last from the first, and whether they lie
// row-major without gaps.
struct Extent {
  std::uint64_t count = 1, last = 0;
  bool contiguous = true;
};

// Returns nothing for negative numbers and overflow.
std::optional<Extent> extent(const std::vector<std::int64_t>& shape,
                             const std::vector<std::int64_t>& stride) {
  Extent result;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (shape[i] < 0 || stride[i] < 0) return std::nullopt;
    const auto size = static_cast<std::uint64_t>(shape[i]),
               step = static_cast<std::uint64_t>(stride[i]);
    if (size > 1 && step != result.count) result.contiguous = false;
    std::uint64_t distance = 0;
    if (size > 1 && (__builtin_mul_overflow(size - 1, step, &distance) ||
                     __builtin_add_overflow(result.last, distance, &result.last)))
      return std::nullopt;
    if (__builtin_mul_overflow(result.count, size, &result.count)) return std::nullopt;
  }
  if (result.count == 0) result = {.count = 0, .last = 0, .contiguous = true};
  return result;
}

// Copies the elements of the strided view at `offset`, row-major.
void gather(const Storage& storage, std::uint64_t offset, const std::vector<std::int64_t>& shape,
            const std::vector<std::int64_t>& stride, std::vector<std::byte>& out) {
  const std::size_t element = dtype_size(storage.dtype);
  std::vector<std::int64_t> position(shape.size(), 0);
  std::uint64_t source = offset;
  for (std::size_t target = 0; target < out.size(); target += element) {
    std::memcpy(out.data() + target, storage.bytes.data() + source * element, element);
    // To reach the next element, the last dimension counts up and carries into those before.
    for (std::size_t d = shape.size(); d-- > 0;) {
      source += static_cast<std::uint64_t>(stride[d]);
      if (++position[d] < shape[d]) break;
      source -= static_cast<std::uint64_t>(stride[d]) * static_cast<std::uint64_t>(shape[d]);
      position[d] = 0;
    }
  }
}

// Whether a view repeats elements of its storage (torch.Tensor.expand) and has more of them than the
// storage. Weights of networks never do; such a view of two numbers could claim any size.
bool is_expanded(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& stride,
                 std::uint64_t storage_count) {
  if (shape.size() != stride.size()) return false;
  const std::optional<Extent> reach = extent(shape, stride);
  if (!reach || reach->count <= storage_count) return false;
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] > 1 && stride[i] == 0) return true;
  return false;
}

// Makes tensors from the values of a pickle.
class Reader {
 public:
  Reader(const fs::path& path, std::shared_ptr<File> file)
      : path_(path),
        file_(std::move(file)),
        archive_(open_torch_archive(file_->map.bytes())),
        copy_budget_(file_->map.bytes().size()) {}

  std::vector<StateDict> read() {
    for (const PickleValue& value : archive_.tree.values)
      if (value.kind == Kind::kGlobal && is_hostile(value))
        throw CheckpointError(format_text(
            "its pickle refers to {}, which weights do not need; nothing was executed. If "
            "you trust the file, save its weights alone: torch.save(model.state_dict(), "
            "...)",
            shorten(full_name(value))));
    visit(archive_.tree.root, "", 0);
    if (dicts_.empty())
      throw CheckpointError("it holds no tensors in dictionaries or lists" + objects());
    return std::move(dicts_);
  }

 private:
  const PickleValue& value(PickleIndex index) const { return archive_.tree.values[index]; }
  // What the file holds instead: the objects of classes that are not PyTorch's or Python's own.
  std::string objects() const {
    for (const PickleValue& value : archive_.tree.values)
      if (value.kind == Kind::kGlobal && value.text != "collections" &&
          !value.text.starts_with("torch") && !value.text.starts_with("numpy"))
        return ", but objects such as " + shorten(full_name(value)) +
               ", whose contents are not read; save the weights: "
               "torch.save(model.state_dict(), ...)";
    return "";
  }
  bool is_call(PickleIndex index, std::string_view name) const {
    if (value(index).kind != Kind::kCall) return false;
    const PickleValue& callee = value(value(index).items[0]);
    return callee.kind == Kind::kGlobal && full_name(callee) == name;
  }
  const std::vector<PickleIndex>& arguments(PickleIndex call) const {
    return value(value(call).items[1]).items;
  }

  std::int64_t integer(PickleIndex index, const char* what) const;
  std::vector<std::int64_t> integers(PickleIndex index, const char* what) const;
  std::string key_text(PickleIndex index, std::size_t position) const;
  std::vector<std::pair<std::string, PickleIndex>> members(const PickleValue& container) const;
  void visit(PickleIndex index, const std::string& name, int depth);
  bool is_tensor(PickleIndex index) const {
    return is_call(index, "torch._utils._rebuild_tensor_v2") ||
           is_call(index, "torch._utils._rebuild_tensor");
  }
  std::optional<TensorView> read_tensor(PickleIndex index, const std::string& name);
  std::optional<TensorView> rebuild(const std::vector<PickleIndex>& arguments,
                                    const std::string& name);
  Storage storage(PickleIndex index) const;
  std::span<const std::byte> elements(const Storage& storage, std::int64_t offset,
                                      const std::vector<std::int64_t>& shape,
                                      const std::vector<std::int64_t>& stride);

  fs::path path_;
  std::shared_ptr<File> file_;
  TorchArchive archive_;
  std::set<PickleIndex> visited_;
  std::vector<StateDict> dicts_;
  std::uint64_t copy_budget_;  // bytes
};

std::int64_t Reader::integer(PickleIndex index, const char* what) const {
  if (value(index).kind != Kind::kInteger)
    throw CheckpointError(format_text("{} is not a whole number", what));
  return value(index).integer;
}

// The numbers of a tuple, or of a torch.Size made from a tuple.
std::vector<std::int64_t> Reader::integers(PickleIndex index, const char* what) const {
  if (is_call(index, "torch.Size") && arguments(index).size() == 1) index = arguments(index)[0];
  if (value(index).kind != Kind::kTuple || value(index).items.size() > kMaxRank)
    throw CheckpointError(format_text("{} is not a tuple of at most {} numbers", what, kMaxRank));
  std::vector<std::int64_t> numbers;
  for (const PickleIndex item : value(index).items) numbers.push_back(integer(item, what));
  return numbers;
}

// A key may be a number, because optimisers number their parameters.
// Keys that are neither texts nor numbers, such as tuples, are called by their position: "#0", ...
std::string Reader::key_text(PickleIndex index, std::size_t position) const {
  if (value(index).kind == Kind::kString) return std::string(value(index).text);
  if (value(index).kind == Kind::kInteger) return std::to_string(value(index).integer);
  return "#" + std::to_string(position);
}

// The keys and values of a dictionary or of an object of a class derived from it, and the elements
// of a list or tuple, whose keys are "0", "1", ...
std::vector<std::pair<std::string, PickleIndex>> Reader::members(
    const PickleValue& container) const {
  std::vector<std::pair<std::string, PickleIndex>> result;
  const std::vector<PickleIndex>& items = container.items;
  const bool is_call = container.kind == Kind::kCall;
  if (is_call || container.kind == Kind::kDictionary) {
    std::set<std::string> keys;
    for (std::size_t i = is_call ? 2 : 0; i < items.size(); i += 2) {
      std::string key = key_text(items[i], result.size());
      if (!keys.insert(key).second)
        throw CheckpointError("key '" + shorten(key) + "' appears twice");
      result.emplace_back(std::move(key), items[i + 1]);
    }
  } else if (container.kind == Kind::kList || container.kind == Kind::kTuple) {
    for (std::size_t i = 0; i < items.size(); ++i) result.emplace_back(std::to_string(i), items[i]);
  }
  return result;
}

// Follows dictionaries, lists and tuples to their tensors.
void Reader::visit(PickleIndex index, const std::string& name, int depth) {
  const Kind kind = value(index).kind;
  if (kind != Kind::kDictionary && kind != Kind::kCall && kind != Kind::kList &&
      kind != Kind::kTuple)
    return;
  if (depth > kMaxDepth)
    throw CheckpointError(format_text("dictionaries nested deeper than {}", kMaxDepth));
  if (!visited_.insert(index).second) return;  // seen before; a value may even contain itself
  const std::size_t place = dicts_.size();
  dicts_.push_back({name, {.path = path_, .tensors = {}, .metadata = {}, .memory = file_}});
  for (const auto& [key, item] : members(value(index))) {
    if (const std::optional<TensorView> tensor = read_tensor(item, key))
      dicts_[place].set.tensors.push_back(*tensor);
    else
      visit(item, name.empty() ? key : name + "." + key, depth + 1);
  }
  if (dicts_[place].set.tensors.empty())
    dicts_.erase(dicts_.begin() + static_cast<std::ptrdiff_t>(place));
}

// Returns nothing for a value that is not a tensor, and for tensors that networks are not made of.
std::optional<TensorView> Reader::read_tensor(PickleIndex index, const std::string& name) try {
  if (is_call(index, "torch._utils._rebuild_parameter")) {
    if (arguments(index).empty() || !is_tensor(arguments(index)[0]))
      throw CheckpointError("a parameter without a tensor");
    index = arguments(index)[0];
  }
  if (!is_tensor(index)) return std::nullopt;
  return rebuild(arguments(index), name);
} catch (const CheckpointError& error) {
  throw CheckpointError("tensor '" + shorten(name) + "': " + error.what());
}

// The arguments are those of _rebuild_tensor: storage, offset, shape, stride, and others that do
// not matter.
std::optional<TensorView> Reader::rebuild(const std::vector<PickleIndex>& arguments,
                                          const std::string& name) {
  if (arguments.size() < 4)
    throw CheckpointError("its storage, offset, shape or stride is missing");
  if (!has_known_type(archive_.tree, arguments[0])) return std::nullopt;
  const Storage of = storage(arguments[0]);
  const std::int64_t offset = integer(arguments[1], "the offset");
  const std::vector<std::int64_t> shape = integers(arguments[2], "the shape"),
                                  stride = integers(arguments[3], "the stride");
  if (is_expanded(shape, stride, of.count)) return std::nullopt;
  return TensorView{name, of.dtype, shape, elements(of, offset, shape, stride)};
}

Storage Reader::storage(PickleIndex index) const {
  const StorageIdentity identity = storage_identity(archive_.tree, index);
  const auto found = archive_.storages.find(identity.key);
  if (found == archive_.storages.end())
    throw CheckpointError("storage '" + shorten(identity.key) + "' is missing");
  if (found->second.size() != identity.bytes)
    throw CheckpointError(format_text("storage '{}' has {} bytes, not {} elements of {}",
                                      shorten(identity.key), found->second.size(), identity.count,
                                      dtype_name(identity.dtype)));
  return {identity.dtype, found->second, identity.count};
}

// Checks that the view lies inside its storage; copies it if it is not contiguous.
std::span<const std::byte> Reader::elements(const Storage& storage, std::int64_t offset,
                                            const std::vector<std::int64_t>& shape,
                                            const std::vector<std::int64_t>& stride) {
  if (shape.size() != stride.size()) throw CheckpointError("shape and stride differ in length");
  const std::optional<Extent> reach = extent(shape, stride);
  const auto first = static_cast<std::uint64_t>(offset);
  if (!reach || offset < 0 || first > storage.count || reach->count > storage.count ||
      (reach->count > 0 && reach->last >= storage.count - first))
    throw CheckpointError(
        format_text("its shape reaches beyond the {} elements of its storage", storage.count));
  const std::size_t element = dtype_size(storage.dtype);
  const std::uint64_t size = reach->count * element;
  if (reach->contiguous) return storage.bytes.subspan(first * element, size);
  if (size > copy_budget_)
    throw CheckpointError("the tensors share storages and together are larger than the file");
  copy_budget_ -= size;
  std::vector<std::byte>& out = file_->copies.emplace_back(size);
  gather(storage, first, shape, stride, out);
  return out;
}

}  // namespace

std::vector<StateDict> read_torch_file(const fs::path& path) {
  try {
    return Reader(path, std::make_shared<File>(path)).read();
  } catch (const IoError& error) {
    blame_file<CheckpointError>(error);
  } catch (const CheckpointError& error) {
    throw CheckpointError(path.string() + ": " + error.what());
  }
}

}  // namespace ddpm
