#pragma once

#include <torch/types.h>

#include <cstdint>

#include "ddpm/ops/random.h"

namespace ddpm::ops {

// Inverted dropout of x [N,C,H,W]: each element is zeroed with probability p in [0,1), and the rest
// is divided by 1-p. Row i belongs to sample draw.key.sample + i. Elements are numbered (h*W + w)*C
// + c, the order of channels_last memory. Element e compares 16 bits, half e % 2 of word e / 2,
// with p * 2^16 rounded, so one Philox block is enough for eight elements.
torch::Tensor dropout(const torch::Tensor& x, double p, const Draw& draw);

// An element is dropped if its 16 bits are below this number.
std::uint32_t dropout_threshold(double p);

}  // namespace ddpm::ops
