// Changes of resolution.
//
// These functions double a feature map and convolve it 3x3 with 4/9 of the arithmetic.
// Nearest-neighbour doubling repeats pixels, so several taps of a filter see the same pixel of the
// small map. For each of the four phases of output pixels (even or odd row, even or odd column) the
// taps can be summed to a 2x2 filter on the small map. The four are computed as one convolution
// with 4 * C_out filters and padding 1, whose result is [height+1,width+1]; phase (a, b) of the
// small map's pixel (i, j) is at (i+a, j+b).
#pragma once

#include <cstdint>

#include "ddpm/kernels/common.h"

namespace ddpm::kernels {

// Sums the taps of filters [c_out,3,3,c_in] to folded [2,2,c_out,2,2,c_in]: first the phase, then
// the 2x2 filters.
void fold_filters(const void* filters, void* folded, Type type, std::int64_t c_out,
                  std::int64_t c_in, Stream stream);

// Computes the gradient of `filters` from that of `folded`.
void unfold_filters(const void* folded, void* filters, Type type, std::int64_t c_out,
                    std::int64_t c_in, Stream stream);

// The sizes of the small map, [n,height,width], and the channels of the result.
struct PhaseShape {
  std::int64_t n = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
};

// Joins phases [n,height+1,width+1,2,2,channels] to image [n,2*height,2*width,channels] and adds
// bias [channels].
void join_phases(const void* phases, const void* bias, void* image, Type type,
                 const PhaseShape& shape, Stream stream);

// Computes the gradient of `phases` from that of `image`; it is 0 for elements that join_phases
// does not use.
void split_phases(const void* image, void* phases, Type type, const PhaseShape& shape,
                  Stream stream);

// The sizes of shift_window: height and width of both maps, and channels.
struct WindowShape {
  std::int64_t n = 0;
  std::int64_t from_height = 0, from_width = 0;
  std::int64_t to_height = 0, to_width = 0;
  std::int64_t channels = 0;
  std::int64_t offset = 0;  // in pixels, the same for rows and columns
};

// to[n,i,j,c] = from[n,i+offset,j+offset,c] (0 outside) + bias[c]; bias may be null.
void shift_window(const void* from, const void* bias, void* to, Type type, const WindowShape& shape,
                  Stream stream);

}  // namespace ddpm::kernels
