// Explains errors that come from a data.source which does not fit data.path. Private to this folder.
#pragma once

#include <string>

#include "ddpm/base/error.h"
#include "ddpm/config/config.h"

namespace ddpm {

// "; data.source is \"zip\", but ... looks like tar: ..."; empty if the path does not look like data
// of another source.
std::string wrong_source_advice(const DataConfig& config);

// What read() returns. A DataError of it ends with that advice.
template <class Read>
auto explain_wrong_source(const DataConfig& config, const Read& read) {
  try {
    return read();
  } catch (const DataError& error) {
    throw DataError(error.what() + wrong_source_advice(config));
  }
}

}  // namespace ddpm
