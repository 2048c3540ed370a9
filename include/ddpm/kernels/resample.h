// Changes of resolution.
//
// Doubling a feature map and convolving it 3x3, with 4/9 of the arithmetic. Nearest-neighbour
// doubling repeats pixels, so each of the four kinds of output pixels (phases: even or odd row,
// even or odd column) is a 2x2 convolution of the small map, whose filter sums the taps that meet
// the same pixel. The four are one convolution with 4 * C_out filters and padding 1, which computes
// [height+1,width+1] positions; phase (a, b) of the small map's pixel (i, j) lies at (i+a, j+b).
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// filters [c_out,3,3,c_in] to folded [2,2,c_out,2,2,c_in]: phase, then filter.
void fold_filters(const void* filters, void* folded, Type type, std::int64_t c_out,
                  std::int64_t c_in, Stream stream);

// The gradient of `filters` from that of `folded`.
void unfold_filters(const void* folded, void* filters, Type type, std::int64_t c_out,
                    std::int64_t c_in, Stream stream);

// Sizes of the small map, [n,height,width], and channels of the result.
struct PhaseShape {
  std::int64_t n = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
};

// phases [n,height+1,width+1,2,2,channels] to image [n,2*height,2*width,channels], plus bias
// [channels].
void join_phases(const void* phases, const void* bias, void* image, Type type,
                 const PhaseShape& shape, Stream stream);

// The gradient of `phases` from that of `image`: 0 where no pixel came from.
void split_phases(const void* image, void* phases, Type type, const PhaseShape& shape,
                  Stream stream);

// Sizes of shift_window: rows and columns of both maps, and channels.
struct WindowShape {
  std::int64_t n = 0;
  std::int64_t from_height = 0, from_width = 0;
  std::int64_t to_height = 0, to_width = 0;
  std::int64_t channels = 0;
  std::int64_t offset = 0;  // along both sides
};

// to[n,i,j,c] = from[n,i+offset,j+offset,c] (0 outside) + bias[c]; bias may be null.
void shift_window(const void* from, const void* bias, void* to, Type type, const WindowShape& shape,
                  Stream stream);

}  // namespace ddpm::kernels
