// Reads Python's pickle (protocols 2 to 5, https://docs.python.org/3/library/pickle.html) as data.
// A pickle is a program for a stack machine that may call any function. Here a call is only
// recorded in the result, and the caller decides what it means. Nothing is imported, nothing runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ddpm {

using PickleIndex = std::uint32_t;  // position of a value in PickleTree::values

inline constexpr PickleIndex kNoPickleState = ~PickleIndex{0};

struct PickleValue {
  enum class Kind {
    kNone,
    kBoolean,     // integer
    kInteger,     // integer
    kFloat,       // its value is not kept: no weight is stored this way
    kString,      // text; used for bytes too
    kTuple,       // items
    kList,        // items; used for sets too
    kDictionary,  // items: key, value, key, value, ...
    kGlobal,      // a class or function: text is its module, name its name
    kCall,        // items: the function, its arguments; then keys and values put into the result
    kPersistent,  // items: the identity of a value that is stored elsewhere
  };
  Kind kind = Kind::kNone;
  std::int64_t integer = 0;
  std::string_view text = {}, name = {};  // point into the bytes
  std::vector<PickleIndex> items = {};
  PickleIndex state = kNoPickleState;  // of a kCall: what the object was filled with afterwards
};

struct PickleTree {
  std::vector<PickleValue> values;  // may refer to each other in circles
  PickleIndex root = 0;
  std::size_t size = 0;  // bytes that were read
};

// Reads one pickle at the start of `bytes`, which the caller keeps alive. It takes at most about a
// hundred bytes of memory for each byte read. Throws CheckpointError "pickle, byte N: ..." for
// unknown or misplaced operations, and for more than a million values.
PickleTree read_pickle(std::span<const std::byte> bytes);

}  // namespace ddpm
