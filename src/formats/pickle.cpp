#include "ddpm/formats/pickle.h"

#include <bit>
#include <unordered_map>

#include "ddpm/base/bytes.h"
#include "ddpm/base/error.h"
#include "ddpm/base/format.h"

namespace ddpm {
namespace {

using Kind = PickleValue::Kind;

constexpr std::size_t kMaxValues = 1'000'000;

class Machine {
 public:
  explicit Machine(std::span<const std::byte> bytes)
      : text_(reinterpret_cast<const char*>(bytes.data()), bytes.size()) {}

  PickleTree run() {
    while (step()) {
    }
    tree_.root = pop();
    if (!stack_.empty()) fail("values are left over at the end");
    tree_.size = position_;
    return std::move(tree_);
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw CheckpointError(format_text("pickle, byte {}: {}", operation_, reason));
  }

  // --- Reading -----------------------------------------------------------------------------------
  std::string_view take(std::uint64_t count) {
    if (count > text_.size() - position_) fail("truncated");
    const std::string_view part = text_.substr(position_, count);
    position_ += count;
    return part;
  }
  std::uint64_t take_number(std::uint64_t bytes) {
    return load_little_endian(std::as_bytes(std::span(take(bytes))));
  }
  std::string_view take_line() {
    const std::size_t end = text_.find('\n', position_);
    if (end == std::string_view::npos) fail("a line without an end");
    const std::string_view line = text_.substr(position_, end - position_);
    position_ = end + 1;
    return line;
  }

  // --- The stack ---------------------------------------------------------------------------------
  void push(PickleValue value) {
    if (tree_.values.size() >= kMaxValues)
      fail(format_text("more than {} values; not a state dict", kMaxValues));
    stack_.push_back(static_cast<PickleIndex>(tree_.values.size()));
    tree_.values.push_back(std::move(value));
  }
  void push_number(Kind kind, std::int64_t value) { push({.kind = kind, .integer = value}); }
  void push_text(std::string_view text) { push({.kind = Kind::kString, .text = text}); }
  void push_items(Kind kind, std::vector<PickleIndex> items) {
    push({.kind = kind, .items = std::move(items)});
  }

  // Values below the innermost mark belong to the operation that set it.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  PickleIndex pop() {
    if (stack_.size() <= floor()) fail("the stack is empty");
    const PickleIndex value = stack_.back();
    stack_.pop_back();
    return value;
  }
  std::vector<PickleIndex> pop_to_mark() {
    if (marks_.empty()) fail("no mark");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleIndex> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }
  std::vector<PickleIndex> pop_many(int count) {
    std::vector<PickleIndex> items(static_cast<std::size_t>(count));
    for (auto item = items.rbegin(); item != items.rend(); ++item) *item = pop();
    return items;
  }
  PickleValue& top() {
    if (stack_.size() <= floor()) fail("the stack is empty");
    return tree_.values[stack_.back()];
  }

  // --- Operations --------------------------------------------------------------------------------
  // Puts keys and values into the dictionary below them.
  void set_items(const std::vector<PickleIndex>& items) {
    PickleValue& target = top();
    if (items.size() % 2 != 0) fail("a key without a value");
    if (target.kind != Kind::kDictionary && target.kind != Kind::kCall)
      fail("keys and values for something that is not a dictionary");
    target.items.insert(target.items.end(), items.begin(), items.end());
  }
  void append(const std::vector<PickleIndex>& items) {
    PickleValue& target = top();
    if (target.kind == Kind::kCall) return;  // a list of another class, which is not needed here
    if (target.kind != Kind::kList) fail("elements for something that is not a list");
    target.items.insert(target.items.end(), items.begin(), items.end());
  }
  void push_global(PickleIndex module, PickleIndex name) {
    if (tree_.values[module].kind != Kind::kString || tree_.values[name].kind != Kind::kString)
      fail("the name of a class is not a text");
    push({.kind = Kind::kGlobal,
          .text = tree_.values[module].text,
          .name = tree_.values[name].text});
  }
  void remember(std::uint64_t key) {
    static_cast<void>(top());
    memo_[key] = stack_.back();
  }
  void recall(std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) fail("refers to a value that was not kept");
    stack_.push_back(found->second);
    if (stack_.size() > kMaxValues) fail("the stack grows too long");
  }
  // Two's complement of up to 8 bytes. Sizes, offsets and counts are never longer.
  void push_long(std::uint64_t size) {
    if (size > 8) {
      static_cast<void>(take(size));
      push({});
      return;
    }
    std::uint64_t value = take_number(size);
    if (size > 0 && size < 8 && (value >> (8 * size - 1)) != 0)
      value |= ~std::uint64_t{0} << 8 * size;
    push_number(Kind::kInteger, std::bit_cast<std::int64_t>(value));
  }

  bool step();
  bool simple_value(char operation);
  bool text_value(char operation);
  bool container(char operation);
  bool memo(char operation);

  std::string_view text_;
  std::size_t position_ = 0, operation_ = 0;
  std::vector<PickleIndex> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, PickleIndex> memo_;
  PickleTree tree_;
};

// Each of these functions handles some operations and returns false for the others. The letters are
// defined by the format.
bool Machine::simple_value(char operation) {
  switch (operation) {
    case 'N':
      push({});
      return true;
    case '\x88':  // NEWTRUE
      push_number(Kind::kBoolean, 1);
      return true;
    case '\x89':  // NEWFALSE
      push_number(Kind::kBoolean, 0);
      return true;
    case 'J':  // BININT
      push_number(Kind::kInteger, static_cast<std::int32_t>(take_number(4)));
      return true;
    case 'K':  // BININT1
      push_number(Kind::kInteger, static_cast<std::int64_t>(take_number(1)));
      return true;
    case 'M':  // BININT2
      push_number(Kind::kInteger, static_cast<std::int64_t>(take_number(2)));
      return true;
    case '\x8a':  // LONG1
      push_long(take_number(1));
      return true;
    case '\x8b':  // LONG4
      push_long(take_number(4));
      return true;
    case 'G':  // BINFLOAT
      static_cast<void>(take(8));
      push({.kind = Kind::kFloat});
      return true;
    default:
      return false;
  }
}

bool Machine::text_value(char operation) {
  switch (operation) {
    case '\x8c':  // SHORT_BINUNICODE
    case 'U':     // SHORT_BINSTRING
    case 'C':     // SHORT_BINBYTES
      push_text(take(take_number(1)));
      return true;
    case 'X':  // BINUNICODE
    case 'T':  // BINSTRING
    case 'B':  // BINBYTES
      push_text(take(take_number(4)));
      return true;
    case '\x8d':  // BINUNICODE8
    case '\x8e':  // BINBYTES8
    case '\x96':  // BYTEARRAY8
      push_text(take(take_number(8)));
      return true;
    case 'c': {  // GLOBAL
      const std::string_view module = take_line(), name = take_line();
      push({.kind = Kind::kGlobal, .text = module, .name = name});
      return true;
    }
    case '\x93': {  // STACK_GLOBAL
      const std::vector<PickleIndex> names = pop_many(2);
      push_global(names[0], names[1]);
      return true;
    }
    default:
      return false;
  }
}

bool Machine::container(char operation) {
  switch (operation) {
    case ')':
      push_items(Kind::kTuple, {});
      return true;
    case '\x85':  // TUPLE1 .. TUPLE3
    case '\x86':
    case '\x87':
      push_items(Kind::kTuple, pop_many(operation - '\x85' + 1));
      return true;
    case 't':  // TUPLE
      push_items(Kind::kTuple, pop_to_mark());
      return true;
    case ']':
    case '\x8f':  // EMPTY_SET
      push_items(Kind::kList, {});
      return true;
    case 'l':     // LIST
    case '\x91':  // FROZENSET
      push_items(Kind::kList, pop_to_mark());
      return true;
    case 'a':  // APPEND
      append({pop()});
      return true;
    case 'e':     // APPENDS
    case '\x90':  // ADDITEMS
      append(pop_to_mark());
      return true;
    case '}':
      push_items(Kind::kDictionary, {});
      return true;
    case 's':  // SETITEM
      set_items(pop_many(2));
      return true;
    case 'u':  // SETITEMS
      set_items(pop_to_mark());
      return true;
    case 'R':     // REDUCE: call with a tuple of arguments
    case '\x81':  // NEWOBJ: the same for a class
      push_items(Kind::kCall, pop_many(2));
      return true;
    case '\x92': {  // NEWOBJ_EX: with arguments by name, which do not matter here
      const std::vector<PickleIndex> parts = pop_many(3);
      push_items(Kind::kCall, {parts[0], parts[1]});
      return true;
    }
    case 'Q':  // BINPERSID
      push_items(Kind::kPersistent, {pop()});
      return true;
    case 'b': {  // BUILD: the state of an object, such as the versions of a state dict's modules
      const PickleIndex state = pop();
      top().state = state;
      return true;
    }
    default:
      return false;
  }
}

bool Machine::memo(char operation) {
  switch (operation) {
    case 'q':  // BINPUT
      remember(take_number(1));
      return true;
    case 'r':  // LONG_BINPUT
      remember(take_number(4));
      return true;
    case '\x94':  // MEMOIZE
      remember(memo_.size());
      return true;
    case 'h':  // BINGET
      recall(take_number(1));
      return true;
    case 'j':  // LONG_BINGET
      recall(take_number(4));
      return true;
    default:
      return false;
  }
}

bool Machine::step() {
  operation_ = position_;
  const char operation = take(1).front();
  switch (operation) {
    case '.':
      return false;
    case '\x80':  // PROTO
      if (take_number(1) > 5) fail("a protocol newer than 5");
      return true;
    case '\x95':  // FRAME: a hint for readers of streams
      static_cast<void>(take(8));
      return true;
    case '(':
      marks_.push_back(stack_.size());
      return true;
    case '0':  // POP
      static_cast<void>(pop());
      return true;
    case '1':  // POP_MARK
      static_cast<void>(pop_to_mark());
      return true;
    default:
      if (simple_value(operation) || text_value(operation) || container(operation) ||
          memo(operation))
        return true;
      fail(format_text("operation {} is not one that state dicts are made of",
                       static_cast<int>(static_cast<unsigned char>(operation))));
  }
}

}  // namespace

PickleTree read_pickle(std::span<const std::byte> bytes) { return Machine(bytes).run(); }

}  // namespace ddpm
