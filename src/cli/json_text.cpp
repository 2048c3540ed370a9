#include "json_text.h"

#include "ddpm/base/format.h"
#include "ddpm/base/log.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/json.h"

namespace ddpm::cli {

std::string value_text(const std::string& key, const Json& value, int digits) {
  if (value.is_string()) return printable(value.get<std::string>());
  if (value.is_number() && key.ends_with("_bytes")) return format_bytes(value.get<double>());
  if (value.is_number_integer()) return with_thousands(value.get<long long>());
  if (value.is_number_float()) return format_text("{:.{}g}", value.get<double>(), digits);
  return printable(dump_json(value));
}

}  // namespace ddpm::cli
