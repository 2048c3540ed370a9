// Stand-ins for a program that is built without a CUDA compiler. Operators ask available() first,
// so the functions that throw are never called.
#include <stdexcept>

#include "ddpm/kernels/adam.h"
#include "ddpm/kernels/add_bias.h"
#include "ddpm/kernels/device.h"
#include "ddpm/kernels/dropout.h"
#include "ddpm/kernels/gather_images.h"
#include "ddpm/kernels/geglu.h"
#include "ddpm/kernels/gradients.h"
#include "ddpm/kernels/group_norm.h"
#include "ddpm/kernels/hopper_convolution.h"
#include "ddpm/kernels/image_convolution.h"
#include "ddpm/kernels/layer_gradients.h"
#include "ddpm/kernels/leaky_sum.h"
#include "ddpm/kernels/matrix_product.h"
#include "ddpm/kernels/random.h"
#include "ddpm/kernels/resample.h"
#include "ddpm/kernels/residual_convolution.h"
#include "ddpm/kernels/sampler_step.h"
#include "ddpm/kernels/softmax.h"
#include "ddpm/kernels/timestep_embedding.h"
#include "ddpm/kernels/unfold.h"

namespace ddpm::kernels {
namespace {

[[noreturn]] void none() { throw std::logic_error("this program was built without CUDA kernels"); }

}  // namespace

using Int = std::int64_t;

bool available(int) { return false; }
DeviceMemory memory_of(int) { return {}; }
int compute_capability(int) { return 0; }
std::string unique_id(int) { return {}; }

void gather_images(const std::uint8_t*, float*, const BatchShape&, const BatchOptions&, const Int*,
                   Int, Stream) {
  none();
}

bool group_norm_supported(const GroupNormShape&) { return false; }
Int group_norm_forward_workspace(const GroupNormShape&) { none(); }
Int group_norm_backward_workspace(const GroupNormShape&) { none(); }
void group_norm_forward(const GroupNormShape&, const GroupNormForward&, Stream) { none(); }
void group_norm_backward(const GroupNormShape&, const GroupNormBackward&, Stream) { none(); }
void group_norm_parameter_gradients(const GroupNormShape&, const float*, void*, void*, Stream) {
  none();
}

bool hopper_convolution_wins(const ConvolutionShape&) { return false; }
void hopper_convolution(const ConvolutionShape&, const HopperConvolution&, Stream) { none(); }

Int matrix_product_workspace() { none(); }
void matrix_product(const MatrixProduct&, Stream) { none(); }

Int residual_convolution_workspace(const ResidualConvolutionShape&) { none(); }
void residual_convolution(const ResidualConvolutionShape&, const ResidualConvolution&, Stream) {
  none();
}

void adam_step(const AdamBuffers&, const AdamOptions&, const float*, const float*, Stream) {
  none();
}
void gradient_norm(const void*, Type, Int, float*, float*, Stream) { none(); }
void gather_gradients(const GradientSource*, Int, Type, void*, Type, bool, Stream) { none(); }

void random_normal(float*, Int, Int, const RandomSource&, Stream) { none(); }
void random_integers(Int*, Int, std::uint64_t, const RandomSource&, Stream) { none(); }
void dropout(const void*, void*, Type, Int, Int, std::uint32_t, float, const RandomSource&,
             Stream) {
  none();
}

void timestep_embedding(const Int*, float*, const TimestepEmbeddingShape&, Stream) { none(); }
void timestep_embedding(const float*, float*, const TimestepEmbeddingShape&, Stream) { none(); }

void fold_filters(const void*, void*, Type, Int, Int, Stream) { none(); }
void unfold_filters(const void*, void*, Type, Int, Int, Stream) { none(); }
void join_phases(const void*, const void*, void*, Type, const PhaseShape&, Stream) { none(); }
void split_phases(const void*, void*, Type, const PhaseShape&, Stream) { none(); }
void shift_window(const void*, const void*, void*, Type, const WindowShape&, Stream) { none(); }

void add_bias(const void*, const void*, const void*, void*, Type, Int, Int, Stream) { none(); }
void leaky_sum(const LeakySum&, Type, Int, Int, Stream) { none(); }
void geglu(const void*, void*, Type, Int, Int, Stream) { none(); }
Int column_sums_workspace(Int, Int) { none(); }
void column_sums(const void*, Type, Int, Int, float*, void*, Type, Stream) { none(); }

void sampler_step(const SamplerImages&, const SamplerRow*, Stream) { none(); }

void softmax(void*, Type, Int, Int, float, Stream) { none(); }
void softmax_backward(const void*, void*, Type, Int, Int, float, Stream) { none(); }

void unfold(const void*, void*, Type, const UnfoldShape&, Stream) { none(); }
void unfold_image(const float*, void*, Type, Int, const ImageShape&, Stream) { none(); }
void fold_image(const float*, const void*, Type, float*, const ImageShape&, Stream) { none(); }
void fold_image_backward(const float*, void*, Type, const ImageShape&, Stream) { none(); }

}  // namespace ddpm::kernels
