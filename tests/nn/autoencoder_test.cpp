#include "ddpm/nn/autoencoder.h"

#include <gtest/gtest.h>

#include "ddpm/nn/bound_network.h"
#include "support/fill.h"

namespace ddpm {
namespace {

// The small autoencoder of the golden numbers: diffusers' AutoencoderKL in float64, filled as
// support/fill.h says.
const AutoencoderConfig kSmall = {.widths = {32, 64}, .blocks = 1, .sample_size = 32};

BoundNetwork<Autoencoder> filled(const AutoencoderConfig& config, torch::Dtype dtype) {
  BoundNetwork<Autoencoder> network(Autoencoder(config), dtype, torch::kCPU);
  testing::hash_fill(*network.net());
  return network;
}

torch::Tensor latents(std::uint64_t k, torch::IntArrayRef shape) {
  return testing::hash_tensor(k, shape, 3).to(torch::kFloat32);
}

TEST(Autoencoder, HasTheTensorsOfStableDiffusion) {
  const BoundNetwork<Autoencoder> small(Autoencoder(kSmall), torch::kFloat32, torch::kCPU);
  EXPECT_EQ(small.tensors().size(), 124);
  EXPECT_EQ(small.layout().parameter_count(), 658375);
  const Autoencoder whole{AutoencoderConfig{}};  // unbound, so it takes no memory
  EXPECT_EQ(whole->named_parameters().size(), 248);
  EXPECT_EQ(ParameterLayout(*whole).parameter_count(), 83653863);
}

TEST(Autoencoder, EncodesLikeDiffusers) {
  const BoundNetwork<Autoencoder> network = filled(kSmall, torch::kFloat32);
  const torch::Tensor moments = network->encode(latents(1'000'000, {1, 3, 16, 24}));
  ASSERT_EQ(moments.sizes(), torch::IntArrayRef({1, 8, 8, 12}));
  testing::expect_numbers(moments, {0.157955, 0.478276, -0.047746, -0.229400}, 4e-6);
  const torch::Tensor mean = posterior_mean(moments);
  const torch::Tensor deviation = posterior_sample(moments, torch::ones_like(mean)) - mean;
  testing::expect_numbers(deviation, {1.145093, 1.145093, 1.009483, 0.891634}, 4e-6);
}

TEST(Autoencoder, DecodesLikeDiffusers) {
  const BoundNetwork<Autoencoder> network = filled(kSmall, torch::kFloat32);
  const torch::Tensor image = network->decode(latents(1'000'001, {1, 4, 6, 10}));
  ASSERT_EQ(image.sizes(), torch::IntArrayRef({1, 3, 12, 20}));
  testing::expect_numbers(image, {0.033521, 0.419483, 0.036891, 0.160181}, 4e-6);
}

TEST(Autoencoder, DecodesTilesLikeDiffusers) {
  const BoundNetwork<Autoencoder> network = filled(kSmall, torch::kFloat32);
  const torch::Tensor z = latents(1'000'002, {1, 4, 20, 28});
  testing::expect_numbers(network->decode(z), {0.034996, 0.446620, 0.002843, -0.011887}, 4e-6);
  const torch::Tensor tiled = network->decode_tiled(z);
  ASSERT_EQ(tiled.sizes(), torch::IntArrayRef({1, 3, 40, 56}));
  testing::expect_numbers(tiled, {0.038520, 0.455012, -0.035388, 0.193237}, 4e-6);
}

TEST(Autoencoder, LeavesWhatFitsOneTileWhole) {
  const BoundNetwork<Autoencoder> network = filled(kSmall, torch::kFloat32);
  const torch::Tensor z = latents(7, {1, 4, 16, 12});
  EXPECT_TRUE(torch::equal(network->decode_tiled(z), network->decode(z)));
}

TEST(Autoencoder, EncodesOddSides) {
  const BoundNetwork<Autoencoder> network = filled(kSmall, torch::kFloat32);
  EXPECT_EQ(network->encode(latents(8, {2, 3, 33, 35})).sizes(),
            torch::IntArrayRef({2, 8, 16, 17}));
}

TEST(Autoencoder, ComputesInBf16) {
  const BoundNetwork<Autoencoder> exact = filled(kSmall, torch::kFloat32);
  const BoundNetwork<Autoencoder> rounded = filled(kSmall, torch::kBFloat16);
  const torch::Tensor z = latents(1'000'001, {1, 4, 6, 10});
  const torch::Tensor expected = exact->decode(z), actual = rounded->decode(z);
  EXPECT_EQ(actual.scalar_type(), torch::kFloat32);
  EXPECT_LT((actual - expected).abs().max().item<double>(),
            0.03 * expected.abs().max().item<double>());
}

}  // namespace
}  // namespace ddpm
