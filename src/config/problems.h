// What validate.cpp and validate_model.cpp share. Internal to config.
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

  // The keys with their values and origins, then what is wrong with them and the way out.
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

// Why the network does not take images of that many pixels, and the way out; empty if it does.
std::string image_size_problem(const ModelConfig& model, std::int64_t height, std::int64_t width);

// The largest number up to `limit` that divides `value`. Both are positive.
std::int64_t largest_divisor(std::int64_t value, std::int64_t limit);

}  // namespace ddpm
