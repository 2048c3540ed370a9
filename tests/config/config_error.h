// Returns the message of the ConfigError that a call must throw.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "ddpm/base/error.h"

namespace ddpm {

template <class Call>
std::string config_error(Call call) {
  try {
    call();
  } catch (const ConfigError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no ConfigError was thrown";
  return "";
}

}  // namespace ddpm
