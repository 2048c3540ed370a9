#include "ddpm/diffusion/guidance.h"

#include <cmath>
#include <utility>

namespace ddpm {
namespace {

using torch::Tensor;

// Rows of a condition, and below them the one row of another for as many images; if the other is
// undefined, the same rows again.
Tensor with_negative(const Tensor& own, const Tensor& negative) {
  if (!own.defined()) return own;
  if (!negative.defined()) return torch::cat({own, own});
  const std::vector<std::int64_t> sizes = own.sizes().vec();
  return torch::cat({own, negative.to(own.scalar_type()).expand(sizes)});
}

Condition with_negative(const Condition& own, const Condition& negative) {
  Condition both = own;
  both.labels = with_negative(own.labels, negative.labels);
  both.context = with_negative(own.context, negative.context);
  both.vector = with_negative(own.vector, negative.vector);
  both.image = with_negative(own.image, negative.image);
  return both;
}

// The standard deviation of each image over its elements, [N,1,1,1].
Tensor deviation(const Tensor& x) { return x.std({1, 2, 3}, /*correction=*/1, /*keepdim=*/true); }

Tensor combine(const Tensor& p, const Tensor& q, std::int64_t channels, const Tensor& scale,
               double rescale) {
  const Tensor own = p.narrow(1, 0, channels), other = q.narrow(1, 0, channels);
  Tensor guided = other + scale * (own - other);
  if (rescale > 0) {
    // Where all is one value there is nothing to scale.
    const Tensor factor = deviation(own) / deviation(guided).clamp_min(1e-12);
    guided = guided * (rescale * factor + (1 - rescale));
  }
  if (p.size(1) == channels) return guided;
  return torch::cat({guided, p.narrow(1, channels, p.size(1) - channels)}, 1);
}

}  // namespace

Predictor guided(Predictor predictor, Guidance guidance, Tensor scale) {
  return [predictor = std::move(predictor), guidance = std::move(guidance),
          scale = std::move(scale)](const Tensor& x, const Tensor& t, const Condition& condition) {
    const std::int64_t count = x.size(0), channels = x.size(1);
    if (guidance.guide)
      return combine(predictor(x, t, condition), guidance.guide(x, t, condition), channels, scale,
                     guidance.rescale);
    const Tensor pair = predictor(torch::cat({x, x}), torch::cat({t, t}),
                                  with_negative(condition, guidance.negative));
    return combine(pair.narrow(0, 0, count), pair.narrow(0, count, count), channels, scale,
                   guidance.rescale);
  };
}

Condition drop_labels(Condition condition, const ops::Draw& draw, double probability,
                      std::int64_t null_class) {
  if (probability == 0 || !condition.labels.defined()) return condition;
  constexpr std::int64_t kWords = std::int64_t{1} << 32;
  const Tensor words =
      ops::random_integers(draw.with_stream(RandomStream::kLabelDropout), condition.labels.size(0),
                           kWords, condition.labels.device());
  const double limit = std::round(probability * static_cast<double>(kWords));
  condition.labels =
      condition.labels.masked_fill(words < static_cast<std::int64_t>(limit), null_class);
  return condition;
}

}  // namespace ddpm
