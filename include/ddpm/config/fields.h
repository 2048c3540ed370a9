// The table of all config keys: the only place that knows their names, types, ranges and help.
// Loading, validation, --set, schema and documentation are generated from it; defaults come from
// the member initialisers of config.h alone.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ddpm/config/config.h"

namespace ddpm {

// The value of any field; a choice (config/choices.h) is given by its name. The index of the
// alternative is the field's type.
using FieldValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>,
                                std::vector<bool>, PerLevel<std::int64_t>, PerLevel<std::string>,
                                std::vector<std::string>>;
enum class FieldType {
  kBoolean,
  kInteger,
  kNumber,
  kString,
  kIntegerList,
  kBooleanList,
  kIntegerPerLevel,
  kStringPerLevel,
  kStringList
};

// A member of a Config that is an enum, or an enum for each level. It is read and set by the names
// of the enum's values.
class ChoiceMember {
 public:
  template <Choice E>
  // NOLINTNEXTLINE(google-explicit-constructor): like the pointers beside it in FieldMember
  ChoiceMember(E* member)
      : member_(member),
        get_([](const void* from) -> FieldValue {
          return std::string(name_of(*static_cast<const E*>(from)));
        }),
        set_([](void* to, const FieldValue& value) {
          *static_cast<E*>(to) = parse_choice<E>(std::get<std::string>(value)).value();
        }) {}
  template <Choice E>
  // NOLINTNEXTLINE(google-explicit-constructor)
  ChoiceMember(PerLevel<E>* member)
      : member_(member),
        get_([](const void* from) -> FieldValue {
          std::vector<std::string> names;
          for (const E value : static_cast<const PerLevel<E>*>(from)->values())
            names.emplace_back(name_of(value));
          return PerLevel<std::string>(std::move(names));
        }),
        set_([](void* to, const FieldValue& value) {
          std::vector<E> values;
          for (const std::string& name : std::get<PerLevel<std::string>>(value).values())
            values.push_back(parse_choice<E>(name).value());
          *static_cast<PerLevel<E>*>(to) = std::move(values);
        }) {}

  FieldValue get() const { return get_(member_); }
  // Throws std::bad_optional_access for an unknown name.
  void set(const FieldValue& value) const { set_(member_, value); }
  const void* address() const { return member_; }

 private:
  void* member_;
  FieldValue (*get_)(const void*);
  void (*set_)(void*, const FieldValue&);
};

// The member of a Config that a field describes.
using FieldMember = std::variant<bool*, std::int64_t*, double*, std::string*,
                                 std::vector<std::int64_t>*, std::vector<bool>*,
                                 PerLevel<std::int64_t>*, ChoiceMember, std::vector<std::string>*>;

// Lists with an entry for each level have at most this many entries, lists of texts more.
inline constexpr std::size_t kMaxLevels = 10;
inline constexpr std::size_t kMaxTexts = 100000;

// Which values are allowed. In lists `minimum` and `maximum` hold for each element.
struct FieldLimits {
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  bool above_minimum = false;  // the minimum itself is excluded
  bool below_maximum = false;  // the maximum itself is excluded
  std::vector<std::string> choices =
      {};                     // the only values allowed, integers in decimals; empty: any
  bool may_be_empty = false;  // a list without entries
  std::size_t most_entries = kMaxLevels;  // of a list
  std::string pattern = {};       // regular expression (ECMAScript) of the whole string; empty: any
  std::string pattern_text = {};  // the pattern in words
};

// Whether a run may continue with another value of the key. kKept: as kFrozen, but where the user
// does not set the key, the run keeps the value it began with, not the default of today.
enum class OnResume { kMayChange, kFrozen, kKept };

struct Field {
  std::string path;  // "training.batch_size": section, dot, name of the C++ member
  FieldMember (*member)(Config&);
  FieldLimits limits;
  OnResume on_resume;
  std::string help;  // a sentence without a full stop, with the unit and what 0 means
  // What was done before the key existed, if that is not the default: the value in saved copies of
  // a config that lack the key.
  std::optional<FieldValue> before = {};

  FieldType type() const;
  bool is_list() const;
  bool is_per_level() const;    // a value, or a list with one for each level
  std::string section() const;  // "training"
  std::string name() const;     // "batch_size"
  FieldValue value(const Config& config) const;
  FieldValue default_value() const;
  // Stores a value without checking its range. A bug in the program is reported by
  // std::bad_variant_access (wrong type) or std::bad_optional_access (unknown name of a choice).
  void set(Config& config, const FieldValue& value) const;
  bool may_change_on_resume() const { return on_resume == OnResume::kMayChange; }
};

struct Section {
  std::string name;  // "training"; a member of Config
  std::string help;
};

// All sections and fields, in the order in which they are shown.
std::span<const Section> sections();
std::span<const Field> fields();

// The field with that path, or nullptr.
const Field* find_field(std::string_view path);

// "integer", "list of booleans".
std::string type_text(FieldType type);

// The allowed values, as words that follow "must be": "an integer >= 1", "one of ema, raw".
std::string allowed_text(const Field& field);

// Only range, choices or pattern, for tables: ">= 1", "[0, 1)", "ema | raw". Empty: any value.
std::string range_text(const Field& field);

// Whether the value has the field's type and is within its limits.
bool allows(const Field& field, const FieldValue& value);

// JSON on one line: [1, 2, 2], "linear", 0.0001. Bytes that are not UTF-8 become U+FFFD.
std::string value_text(const FieldValue& value);

}  // namespace ddpm
