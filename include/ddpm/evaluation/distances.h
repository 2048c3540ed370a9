// Numbers that compare two sets of images by the features of a network: matrices [N,D], a row an
// image. All are computed in float64, where the features are.
#pragma once

#include <torch/types.h>

#include <cstdint>

namespace ddpm {

// Mean and covariance of a set of features, of which the Fréchet distance is made.
struct FeatureStatistics {
  torch::Tensor mean;        // [D] float64, on the CPU
  torch::Tensor covariance;  // [D,D] float64, on the CPU; divided by N - 1
  std::int64_t count = 0;    // N; 0: not known
};

// Needs at least two rows, else throws DataError.
FeatureStatistics statistics_of(const torch::Tensor& features);

// The Fréchet distance of two normal distributions, which is the FID for features of Inception:
// |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)). Heusel et al., "GANs Trained by a Two Time-Scale
// Update Rule", equation 6. The trace of the root is the sum of the singular values of
// C1^(1/2) C2^(1/2), which are real and exact to rounding for singular matrices too. Throws
// DataError if the dimensions differ or a value is not finite.
double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b);

// A mean over parts of a set, and the standard deviation of the parts.
struct MeanOfParts {
  double mean = 0, deviation = 0;
};

// The kernel distance KID: the unbiased estimate of the squared maximum mean discrepancy with the
// kernel (x.y/D + 1)^3, which can be negative. It is the mean over `subsets` random subsets of
// `size` rows of each set, which depend on `seed` alone; where a set has no more than `size` rows,
// on one subset that is as large as the smaller set. Binkowski et al., "Demystifying MMD GANs".
struct KernelDistanceOptions {
  std::int64_t subsets = 100, size = 1000;
  std::uint64_t seed = 0;
};
MeanOfParts kernel_distance(const torch::Tensor& a, const torch::Tensor& b,
                            const KernelDistanceOptions& options = {});

// The inception score of class logits [N,classes]: exp of the mean KL divergence of an image's classes
// from those of its part of the set. The parts are `parts` runs of rows, so rows must be in random
// order. The deviation is that of the population. Salimans et al., "Improved Techniques for
// Training GANs".
MeanOfParts inception_score(const torch::Tensor& logits, std::int64_t parts = 10);

// How two sets of points cover each other. A ball around each real point reaches to its k-th
// neighbour among the real ones.
struct Coverage {
  double precision = 0;  // share of the generated points that lie in a ball of a real one
  double recall = 0;     // share of the real points that lie in a ball of a generated one
  double density = 0;    // real balls around a generated point, divided by k
  double coverage = 0;   // share of the real balls in which a generated point lies
};

// Precision and recall with k = `neighbours`, Kynkäänniemi et al., "Improved Precision and Recall
// Metric for Assessing Generative Models"; density and coverage with k = `wide_neighbours`, Naeem et
// al., "Reliable Fidelity and Diversity Metrics for Generative Models". Both sets must have more
// points than that, else throws DataError.
Coverage coverage_of(const torch::Tensor& real, const torch::Tensor& generated,
                     std::int64_t neighbours = 3, std::int64_t wide_neighbours = 5);

}  // namespace ddpm
