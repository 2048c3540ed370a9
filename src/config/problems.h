// Code that validate.cpp and validate_model.cpp share. Internal to config.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ddpm/config/config.h"
#include "ddpm/config/loader.h"

namespace ddpm {

// Collects contradictions, so that the user sees all of them at once.
class Problems {
 public:
  Problems(const Config& config, const Origins& origins) : config_(config), origins_(origins) {}

  // Adds a contradiction between these keys. `reason` says what is wrong and how to mend it; the
  // message shows it after the keys with their values and origins.
  void add(const std::vector<std::string>& keys, const std::string& reason);

  // Throws ConfigError with everything that was added.
  void throw_if_any() const;

 private:
  std::string setting(const std::string& key) const;

  const Config& config_;
  const Origins& origins_;
  std::vector<std::string> problems_;
};

void check_model(const ModelConfig& model, Problems& problems);

// Why the network cannot take images of that size, and how to mend it; empty if it can.
std::string image_size_problem(const ModelConfig& model, std::int64_t height, std::int64_t width);

// The largest number up to `limit` that divides `value`. Both are positive.
std::int64_t largest_divisor(std::int64_t value, std::int64_t limit);

}  // namespace ddpm
