#include "ddpm/kernels/residual_convolution.h"

#include <stdexcept>

#if DDPM_WITH_CUDNN
#include <cudnn.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "device.cuh"
#endif

namespace ddpm::kernels {

#if DDPM_WITH_CUDNN
namespace {

constexpr std::int64_t kMostWorkspace = std::int64_t{64} << 20;

void check(cudnnStatus_t status, const char* what) {
  if (status != CUDNN_STATUS_SUCCESS)
    throw std::runtime_error(std::string("residual_convolution: ") + what + ": " +
                             cudnnGetErrorString(status));
}

// One object of cuDNN's graph interface.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    check(cudnnBackendCreateDescriptor(type, &descriptor_), "create");
  }
  ~Descriptor() {
    if (descriptor_ != nullptr) cudnnBackendDestroyDescriptor(descriptor_);
  }
  Descriptor(Descriptor&& other) noexcept : descriptor_(other.descriptor_) {
    other.descriptor_ = nullptr;
  }
  Descriptor& operator=(Descriptor&&) = delete;

  template <class Value>
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                  const Value* values, std::size_t count) {
    check(
        cudnnBackendSetAttribute(descriptor_, name, type, static_cast<std::int64_t>(count), values),
        "attribute");
    return *this;
  }
  template <class Value>
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, Value value) {
    return set(name, type, &value, 1);
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.descriptor_);
  }
  template <std::size_t count>
  Descriptor& set(cudnnBackendAttributeName_t name, const std::array<std::int64_t, count>& values) {
    return set(name, CUDNN_TYPE_INT64, values.data(), count);
  }

  cudnnStatus_t finalize() { return cudnnBackendFinalize(descriptor_); }
  Descriptor finalized() && {
    check(finalize(), "finalize");
    return std::move(*this);
  }
  cudnnBackendDescriptor_t get() const { return descriptor_; }

 private:
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

// The identifiers of tensors in a graph.
enum Id : std::int64_t { kX = 1, kWeight, kResidual, kBias, kY, kSum, kSumAndResidual };

using Sizes = std::array<std::int64_t, 4>;  // N, C, H, W; memory is channels last

Descriptor tensor(Id id, const Sizes& sizes) {
  const bool inside = id >= kSum;  // never written to memory, and not rounded
  const Sizes strides = {sizes[1] * sizes[2] * sizes[3], 1, sizes[1] * sizes[3], sizes[1]};
  Descriptor result(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  result.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, static_cast<std::int64_t>(id))
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE,
           inside ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16)
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, sizes)
      .set(CUDNN_ATTR_TENSOR_STRIDES, strides)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, std::int64_t{16})
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, inside);
  return std::move(result).finalized();
}

Descriptor convolve(const Descriptor& x, const Descriptor& weight, const Descriptor& y) {
  constexpr std::array<std::int64_t, 2> kOne = {1, 1};
  Descriptor convolution(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  convolution.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION)
      .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, std::int64_t{2})
      .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, kOne)
      .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, kOne)
      .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, kOne)
      .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, kOne);
  const Descriptor finished = std::move(convolution).finalized();
  Descriptor operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, weight)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, finished)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1.0f)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 0.0f);
  return std::move(operation).finalized();
}

Descriptor add(const Descriptor& a, const Descriptor& b, const Descriptor& sum) {
  Descriptor addition(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  addition.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, CUDNN_POINTWISE_ADD)
      .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  const Descriptor finished = std::move(addition).finalized();
  Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, finished)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, a)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, sum)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_ALPHA1, CUDNN_TYPE_FLOAT, 1.0f)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_ALPHA2, CUDNN_TYPE_FLOAT, 1.0f);
  return std::move(operation).finalized();
}

// cuDNN has ready-made kernels for this order of operations; for others it compiles kernels at run
// time.
Descriptor operation_graph(cudnnHandle_t handle, const ResidualConvolutionShape& s) {
  const Sizes in = {s.n, s.channels, s.height, s.width}, out = {s.n, s.outputs, s.height, s.width};
  const Descriptor x = tensor(kX, in), y = tensor(kY, out);
  const Descriptor weight = tensor(kWeight, {s.outputs, s.channels, 3, 3});
  const Descriptor residual = tensor(kResidual, out), bias = tensor(kBias, {1, s.outputs, 1, 1});
  const Descriptor sum = tensor(kSum, out), sum_and_residual = tensor(kSumAndResidual, out);
  const Descriptor convolution = convolve(x, weight, sum);
  const Descriptor add_residual = add(sum, residual, sum_and_residual);
  const Descriptor add_bias = add(sum_and_residual, bias, y);
  const std::array<cudnnBackendDescriptor_t, 3> operations = {convolution.get(), add_residual.get(),
                                                              add_bias.get()};
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, handle)
      .set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, operations.data(),
           operations.size());
  return std::move(graph).finalized();
}

struct Plan {
  Descriptor descriptor;
  std::int64_t workspace = 0;  // bytes
};

// The first of cuDNN's proposals (the best comes first) that works with at most kMostWorkspace
// bytes; null if there is none.
std::unique_ptr<Plan> make_plan(cudnnHandle_t handle, const ResidualConvolutionShape& shape) {
  constexpr std::size_t kProposals = 8;
  const Descriptor graph = operation_graph(handle, shape);
  Descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, CUDNN_HEUR_MODE_A);
  if (heuristic.finalize() != CUDNN_STATUS_SUCCESS) return nullptr;
  std::vector<Descriptor> proposals;
  std::vector<cudnnBackendDescriptor_t> pointers;
  for (std::size_t i = 0; i < kProposals; ++i)
    pointers.push_back(proposals.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).get());
  std::int64_t count = 0;
  check(
      cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                               CUDNN_TYPE_BACKEND_DESCRIPTOR, kProposals, &count, pointers.data()),
      "proposals");
  for (std::int64_t i = 0; i < std::min<std::int64_t>(count, kProposals); ++i) {
    Plan plan{Descriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)};
    plan.descriptor.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, handle)
        .set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, proposals[static_cast<std::size_t>(i)]);
    if (plan.descriptor.finalize() != CUDNN_STATUS_SUCCESS) continue;
    std::int64_t got = 0;
    check(cudnnBackendGetAttribute(plan.descriptor.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                   CUDNN_TYPE_INT64, 1, &got, &plan.workspace),
          "workspace");
    if (plan.workspace <= kMostWorkspace) return std::make_unique<Plan>(std::move(plan));
  }
  return nullptr;
}

struct Less {
  bool operator()(const ResidualConvolutionShape& a, const ResidualConvolutionShape& b) const {
    return std::tie(a.n, a.height, a.width, a.channels, a.outputs) <
           std::tie(b.n, b.height, b.width, b.channels, b.outputs);
  }
};

// The cuDNN handle and plans of one GPU.
struct Context {
  std::mutex mutex;
  cudnnHandle_t handle = nullptr;
  std::map<ResidualConvolutionShape, std::unique_ptr<Plan>, Less> plans;

  Context() { check(cudnnCreate(&handle), "handle"); }
  const Plan* plan(const ResidualConvolutionShape& shape) {
    auto [place, is_new] = plans.try_emplace(shape);
    if (is_new) place->second = make_plan(handle, shape);
    return place->second.get();
  }
};

Context& context() {
  static std::array<std::unique_ptr<Context>, kMaxDevices> contexts;
  static std::array<std::once_flag, kMaxDevices> once;
  const int device = current_device();
  std::call_once(once[device], [device] { contexts[device] = std::make_unique<Context>(); });
  return *contexts[device];
}

}  // namespace

std::int64_t residual_convolution_workspace(const ResidualConvolutionShape& shape) {
  Context& here = context();
  const std::lock_guard lock(here.mutex);
  const Plan* plan = here.plan(shape);
  return plan != nullptr ? plan->workspace : -1;
}

void residual_convolution(const ResidualConvolutionShape& shape,
                          const ResidualConvolution& convolution, Stream stream) {
  Context& here = context();
  const std::lock_guard lock(here.mutex);
  const Plan* plan = here.plan(shape);
  if (plan == nullptr) throw std::runtime_error("residual_convolution: no kernel for this shape");
  const ResidualConvolution& c = convolution;
  constexpr std::array<std::int64_t, 5> kIds = {kX, kWeight, kResidual, kBias, kY};
  const std::array<const void*, 5> pointers = {c.x, c.weight, c.residual, c.bias, c.y};
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, kIds)
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, pointers.data(),
           pointers.size())
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, c.workspace);
  check(pack.finalize(), "arguments");
  check(cudnnSetStream(here.handle, stream), "stream");
  check(cudnnBackendExecute(here.handle, plan->descriptor.get(), pack.get()), "launch");
}

#else

std::int64_t residual_convolution_workspace(const ResidualConvolutionShape&) { return -1; }

void residual_convolution(const ResidualConvolutionShape&, const ResidualConvolution&, Stream) {
  throw std::logic_error("residual_convolution: this program was built without cuDNN");
}

#endif

}  // namespace ddpm::kernels
