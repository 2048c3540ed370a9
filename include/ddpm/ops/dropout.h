#pragma once

#include <torch/types.h>

#include <cstdint>

#include "ddpm/ops/random.h"

namespace ddpm::ops {

// Inverted dropout of x [N,C,H,W]: each element is zeroed with probability p in [0,1), the rest
// divided by 1-p. Row i belongs to sample draw.key.sample + i. Elements are numbered (h*W + w)*C +
// c, so a kernel that walks channels_last memory meets them in order. Element e compares half e % 2
// of word e / 2, 16 bits, with p * 2^16 rounded: one Philox block serves eight elements.
torch::Tensor dropout(const torch::Tensor& x, double p, const Draw& draw);

// The number below which an element's 16 bits drop it.
std::uint32_t dropout_threshold(double p);

}  // namespace ddpm::ops
