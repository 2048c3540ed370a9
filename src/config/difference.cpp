#include "ddpm/config/difference.h"

#include <utility>

#include "ddpm/config/fields.h"

namespace ddpm {
namespace {

std::vector<Difference> differences(const Config& before, const Config& after, bool may_change) {
  std::vector<Difference> list;
  for (const Field& field : fields()) {
    const FieldValue old_value = field.value(before);
    const FieldValue new_value = field.value(after);
    if (field.may_change_on_resume() == may_change && old_value != new_value)
      list.push_back({field.path, value_text(old_value), value_text(new_value)});
  }
  return list;
}

}  // namespace

std::vector<Difference> frozen_differences(const Config& before, const Config& after) {
  return differences(before, after, /*may_change=*/false);
}

std::vector<Difference> free_differences(const Config& before, const Config& after) {
  return differences(before, after, /*may_change=*/true);
}

std::vector<Difference> all_differences(const Config& before, const Config& after) {
  std::vector<Difference> all = frozen_differences(before, after);
  for (Difference& difference : free_differences(before, after))
    all.push_back(std::move(difference));
  return all;
}

}  // namespace ddpm
