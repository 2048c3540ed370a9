// Chooses tiles, describes tensors to the copy engine and starts the kernel.
#include "ddpm/kernels/hopper_convolution.h"

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <string>

#include "hopper_convolution.cuh"

namespace ddpm::kernels {
namespace {

using hopper::Element;
using hopper::kDepth;
using hopper::kPhases;
using hopper::Memory;
using hopper::Task;
using hopper::Tile;

constexpr auto kEncode = "cuTensorMapEncodeTiled";
using Encode = decltype(&cuTensorMapEncodeTiled);

// The function is looked up in the driver at run time, so that the program starts without the
// driver's library.
Encode encode_function() {
  static const Encode function = [] {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult result{};
    check_launch(kEncode, cudaGetDriverEntryPointByVersion(kEncode, &found, 12000,
                                                           cudaEnableDefault, &result));
    if (found == nullptr) throw std::runtime_error(std::string(kEncode) + ": not in this driver");
    return reinterpret_cast<Encode>(found);
  }();
  return function;
}

// A tensor of four dimensions, innermost first, and its part, `box`, that makes a tile. `step` is
// the distance of the tile's elements in the dimensions across and down.
struct View {
  std::array<std::int64_t, 4> sizes;
  std::array<std::int64_t, 3> strides;  // in elements, for all dimensions except the first
  std::array<int, 4> box;
  int step = 1;
};

CUtensorMap make_map(const void* data, const View& v) {
  std::array<cuuint64_t, 4> sizes{};
  std::array<cuuint64_t, 3> strides{};
  for (int i = 0; i < 4; ++i) sizes[i] = static_cast<cuuint64_t>(v.sizes[i]);
  for (int i = 0; i < 3; ++i) strides[i] = static_cast<cuuint64_t>(v.strides[i]) * sizeof(Element);
  const auto step = static_cast<cuuint32_t>(v.step);
  const std::array<cuuint32_t, 4> steps = {1, step, step, 1};
  std::array<cuuint32_t, 4> box{};
  for (int i = 0; i < 4; ++i) box[i] = static_cast<cuuint32_t>(v.box[i]) * steps[i];
  CUtensorMap map{};
  const CUresult result =
      encode_function()(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 4, const_cast<void*>(data),
                        sizes.data(), strides.data(), box.data(), steps.data(),
                        CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                        CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS)
    throw std::runtime_error(std::string(kEncode) + ": error " + std::to_string(result));
  return map;
}

int power_of_two_from(std::int64_t value) {
  int power = 1;
  while (power < value) power *= 2;
  return power;
}

struct Pixels {
  int across, down, images;
};

// The box of output pixels that makes a tile of `pixels`.
Pixels box_of(std::int64_t width, std::int64_t height, int pixels) {
  const int across = std::min(power_of_two_from(width), pixels);
  const int down = std::min(power_of_two_from(height), pixels / across);
  return {across, down, pixels / across / down};
}

// The height and width of y, or of one of its phases.
std::int64_t part_height(const ConvolutionShape& s) {
  return s.kind == ConvolutionKind::kDoubling ? s.out_height / 2 : s.out_height;
}
std::int64_t part_width(const ConvolutionShape& s) {
  return s.kind == ConvolutionKind::kDoubling ? s.out_width / 2 : s.out_width;
}

std::int64_t tiles_of(const ConvolutionShape& s, int pixels, int columns) {
  const std::int64_t height = part_height(s), width = part_width(s);
  const Pixels box = box_of(width, height, pixels);
  return divide_up(s.out_channels, columns) * (s.kind == ConvolutionKind::kDoubling ? kPhases : 1) *
         divide_up(width, box.across) * divide_up(height, box.down) * divide_up(s.n, box.images);
}

std::int64_t steps_of(const ConvolutionShape& s) {
  return s.taps * s.taps * divide_up(s.channels, kDepth) + divide_up(s.shortcut_channels, kDepth) +
         divide_up(s.skip_channels, kDepth);
}

View pixels_view(std::int64_t n, std::int64_t height, std::int64_t width, std::int64_t channels,
                 const Pixels& box, std::int64_t stride = 1) {
  return {.sizes = {channels, width, height, n},
          .strides = {channels, width * channels, height * width * channels},
          .box = {kDepth, box.across, box.down, box.images},
          .step = static_cast<int>(stride)};
}

View weights_view(std::int64_t rows, std::int64_t taps, std::int64_t channels, int box_rows) {
  return {.sizes = {channels, taps, rows, 1},
          .strides = {channels, taps * channels, rows * taps * channels},
          .box = {kDepth, 1, box_rows, 1}};
}

void describe_output(const ConvolutionShape& s, const HopperConvolution& c, const Pixels& box,
                     Task& t) {
  const View whole = pixels_view(s.n, s.out_height, s.out_width, s.out_channels, box);
  t.phases = 1;
  t.y[0] = make_map(c.y, whole);
  t.has_residual = c.residual != nullptr;
  if (t.has_residual) t.residual = make_map(c.residual, whole);
  if (s.kind != ConvolutionKind::kDoubling) return;
  t.phases = kPhases;
  View phase = whole;  // every second row and column
  phase.sizes = {s.out_channels, part_width(s), part_height(s), s.n};
  phase.strides = {2 * whole.strides[0], 2 * whole.strides[1], whole.strides[2]};
  for (int i = 0; i < kPhases; ++i)
    t.y[i] = make_map(
        static_cast<Element*>(c.y) + i / 2 * whole.strides[1] + i % 2 * whole.strides[0], phase);
}

void describe_shortcut(const ConvolutionShape& s, const HopperConvolution& c, const Pixels& box,
                       int columns, Task& t) {
  if (c.shortcut == nullptr) return;
  const auto view = [&](std::int64_t channels) {
    return pixels_view(s.n, s.out_height, s.out_width, channels, box);
  };
  t.shortcut = make_map(c.shortcut, view(s.shortcut_channels));
  if (c.skip != nullptr) t.skip = make_map(c.skip, view(s.skip_channels));
  t.shortcut_weight =
      make_map(c.shortcut_weight,
               weights_view(s.out_channels, 1, s.shortcut_channels + s.skip_channels, columns));
  t.shortcut_bias = static_cast<const Element*>(c.shortcut_bias);
  t.shortcut_channels = static_cast<int>(s.shortcut_channels);
  t.shortcut_chunks = static_cast<int>(divide_up(s.shortcut_channels, kDepth));
}

View weights_of(const ConvolutionShape& s, int columns) {
  const std::int64_t taps = s.taps * s.taps;
  switch (s.kind) {
    case ConvolutionKind::kInput:
      return weights_view(s.channels, taps, s.out_channels, kDepth);
    case ConvolutionKind::kDoubling:
      return weights_view(kPhases * s.out_channels, taps, s.channels, columns);
    case ConvolutionKind::kForward:
      break;
  }
  return weights_view(s.out_channels, taps, s.channels, columns);
}

template <class Tile>
Task make_task(const ConvolutionShape& s, const HopperConvolution& c) {
  const std::int64_t height = part_height(s), width = part_width(s);
  const Pixels box = box_of(width, height, Tile::kPixels);
  Task t{};
  t.x = make_map(c.x, pixels_view(s.n, s.height, s.width, s.channels, box, s.stride));
  t.weight = make_map(c.weight, weights_of(s, Tile::kColumns));
  describe_output(s, c, box, t);
  describe_shortcut(s, c, box, Tile::kColumns, t);
  t.bias = static_cast<const Element*>(c.bias);
  t.taps = static_cast<int>(s.taps);
  t.stride = static_cast<int>(s.stride);
  t.first = -static_cast<int>(s.padding);
  t.direction = s.kind == ConvolutionKind::kInput ? -1 : 1;
  t.chunks = static_cast<int>(divide_up(s.channels, kDepth));
  t.steps = static_cast<int>(steps_of(s));
  t.out_channels = static_cast<int>(s.out_channels);
  t.column_tiles = static_cast<int>(divide_up(s.out_channels, Tile::kColumns));
  t.tiles_across = static_cast<int>(divide_up(width, box.across));
  t.tiles_down = static_cast<int>(divide_up(height, box.down));
  t.tile_width = box.across;
  t.tile_height = box.down;
  t.tile_images = box.images;
  return t;
}

// `parts` is the number of blocks that share the sum of one tile.
template <class Tile>
void run(const ConvolutionShape& s, const HopperConvolution& c, int parts, Stream stream) {
  Task t = make_task<Tile>(s, c);
  t.parts = parts;
  const DeviceLimits& device = device_limits();
  const std::int64_t blocks = tiles_of(s, Tile::kPixels, Tile::kColumns) * parts;
  // If not all blocks run at once, two share a multiprocessor: one multiplies while the other
  // begins or ends.
  constexpr int kCudaBytes = 1024;  // shared memory that CUDA reserves in each block
  const bool rounds = parts == 1 && blocks > device.processors;
  const int most = rounds ? device.shared_per_processor / 2 - kCudaBytes : device.shared_per_block;
  t.stages = hopper::kMostStages;
  while (Memory<Tile>::bytes(t.stages, parts) > most) --t.stages;
  if (t.stages < 2) throw std::runtime_error("hopper_convolution: too little shared memory");
  const Launch size = {.blocks = dim3(static_cast<unsigned>(blocks)),
                       .threads = Tile::kThreads,
                       .shared_bytes = Memory<Tile>::bytes(t.stages, parts),
                       .stream = stream,
                       .cluster = {static_cast<unsigned>(parts), 1, 1}};
  if (s.kind == ConvolutionKind::kInput)
    launch<hopper::convolve_tiles<Tile, true>>("hopper_convolution", size, t);
  else
    launch<hopper::convolve_tiles<Tile, false>>("hopper_convolution", size, t);
}

// --- Choice --------------------------------------------------------------------------------------

using LargeTile = Tile<128, 128>;
using MiddleTile = Tile<64, 128>;
using SmallTile = Tile<64, 64>;

struct Candidate {
  int pixels, columns;
  double step, join;  // microseconds on an H100, for a step and for each halving of the sum
};
constexpr std::array<Candidate, 3> kCandidates = {
    {{LargeTile::kPixels, LargeTile::kColumns, 0.39, 4.0},
     {MiddleTile::kPixels, MiddleTile::kColumns, 0.20, 2.1},
     {SmallTile::kPixels, SmallTile::kColumns, 0.17, 1.4}}};

struct Choice {
  std::size_t candidate = 0;
  int parts = 1;
};

// Whether every block has its own multiprocessor at once. Clusters of more than two blocks are
// expected to fill only half of a GPU, because the blocks of a cluster must be neighbours.
bool fits(std::int64_t tiles, int parts) {
  const int usable = device_limits().processors / (parts > 2 ? 2 : 1);
  return tiles * parts <= usable;
}

// The fastest choice with which all blocks run at once; none if there is no such choice.
std::optional<Choice> choose_for_one_round(const ConvolutionShape& s) {
  constexpr int kMostHalvings = 2;
  std::optional<Choice> best;
  double least = 0;
  for (std::size_t i = 0; i < kCandidates.size(); ++i) {
    const Candidate& c = kCandidates[i];
    for (int halvings = 0; halvings <= kMostHalvings; ++halvings) {
      const int parts = 1 << halvings;
      if (parts > steps_of(s) || !fits(tiles_of(s, c.pixels, c.columns), parts)) break;
      const double time =
          c.step * static_cast<double>(divide_up(steps_of(s), parts)) + c.join * halvings;
      if (best && time >= least) continue;
      best = {i, parts};
      least = time;
    }
  }
  return best;
}

// Whether this kernel is faster even if its blocks need several rounds. cuDNN's kernels are mostly
// faster then, with three exceptions. For doubling they need one more pass over memory, and for a
// shortcut two more, which matters if there are few channels. And they are slow for the gradient of
// an input that has many more channels than the output.
bool several_rounds_win(const ConvolutionShape& s) {
  constexpr std::int64_t kFewChannels = 128;
  switch (s.kind) {
    case ConvolutionKind::kDoubling:
      return true;
    case ConvolutionKind::kInput:
      return s.out_channels >= 3 * s.channels;
    case ConvolutionKind::kForward:
      return s.shortcut_channels > 0 && s.channels <= kFewChannels;
  }
  return false;
}

std::optional<Choice> choose(const ConvolutionShape& s) {
  std::optional<Choice> choice = choose_for_one_round(s);
  if (!choice && several_rounds_win(s)) choice.emplace();  // large tiles
  return choice;
}

bool takes(const ConvolutionShape& s) {
  const auto are_vectors = [](std::int64_t channels) { return channels % 8 == 0; };
  constexpr std::int64_t kLargestStride = 2;  // the side of a box has at most 256 elements
  constexpr std::int64_t kLargestSize = 1 << 24;
  return s.n > 0 && are_vectors(s.channels) && are_vectors(s.out_channels) &&
         are_vectors(s.shortcut_channels) && are_vectors(s.skip_channels) &&
         s.stride <= kLargestStride &&
         std::max({s.n, s.height, s.width, s.channels, s.out_channels}) < kLargestSize;
}

}  // namespace

bool hopper_convolution_wins(const ConvolutionShape& shape) {
#ifdef DDPM_WITH_HOPPER
  return device_limits().is_hopper && takes(shape) && choose(shape).has_value();
#else
  return false;
#endif
}

void hopper_convolution(const ConvolutionShape& shape, const HopperConvolution& tensors,
                        Stream stream) {
  const std::optional<Choice> choice = choose(shape);
  if (!choice || !takes(shape))
    throw std::invalid_argument("hopper_convolution: unsupported shape");
  switch (choice->candidate) {
    case 0:
      return run<LargeTile>(shape, tensors, choice->parts, stream);
    case 1:
      return run<MiddleTile>(shape, tensors, choice->parts, stream);
    default:
      return run<SmallTile>(shape, tensors, choice->parts, stream);
  }
}

}  // namespace ddpm::kernels
