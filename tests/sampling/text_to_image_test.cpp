// The chain from a prompt's ids to a picture.
#include <gtest/gtest.h>

#include "ddpm/diffusion/generator.h"
#include "ddpm/nn/autoencoder.h"
#include "ddpm/nn/bound_network.h"
#include "ddpm/nn/clip_text.h"
#include "ddpm/nn/unet.h"
#include "ddpm/sampling/prompts.h"
#include "ddpm/sampling/setup.h"
#include "support/fill.h"
#include "support/stable_diffusion.h"

namespace ddpm {
namespace {

template <class Net>
Net filled(Net net) {
  BoundNetwork<Net> network(net, torch::kFloat64, torch::kCPU);
  testing::hash_fill(*network.net());
  return network.net();
}

// The small networks of the golden numbers, with which StableDiffusionPipeline (diffusers 0.42.1) ran in
// float64: guidance 5 in four steps of DDIM, whose last one ends at the noise of t = 0.
class TextToImage : public ::testing::Test {
 protected:
  TextToImage() {
    config_.model = testing::small_sd();
    config_.model.width_multipliers = {1, 2};
    config_.model.attention = {true, false};
    config_.model.attention_heads = 8;
    config_.model.context_width = 32;
    config_.diffusion.schedule = BetaSchedule::kQuadratic;
    config_.diffusion.beta_start = 0.00085;
    config_.diffusion.beta_end = 0.012;
    config_.diffusion.clip_x0 = false;
    config_.data.channels = 4;
    config_.sampling = {.sampler = SamplerKind::kDdim, .steps = 4, .guidance = 5};
    config_.sampling.spacing = Spacing::kLeading;
    config_.sampling.steps_offset = 1;
    config_.sampling.set_alpha_to_one = false;
  }

  // Ids of two prompts, each as the text encoder takes it.
  static torch::Tensor contexts() {
    ClipText text = filled(ClipText(ClipTextConfig{.tokens = 50,
                                                   .positions = 10,
                                                   .width = 32,
                                                   .inner_width = 64,
                                                   .layers = 3,
                                                   .heads = 4,
                                                   .end_token = 49}));
    const torch::Tensor ids =
        torch::tensor({48, 5, 17, 30, 49, 49, 49, 49, 49, 49, 48, 1, 2, 3, 4, 5, 6, 7, 8, 49},
                      torch::kInt64)
            .view({2, 10});
    return text->normed(text->states(ids).back());
  }

  void expect_chain(const std::vector<double>& latent, const std::vector<double>& image) {
    UNet unet = filled(UNet(config_.model, 4));
    const Predictor network = [&](const torch::Tensor& x, const torch::Tensor& t,
                                  const Condition& condition) {
      return unet->forward(x.to(torch::kFloat64), t.to(torch::kFloat64), condition)
          .to(torch::kFloat32);
    };
    const torch::Tensor both = contexts();
    const Condition positive{.context = both.narrow(0, 0, 1)},
        negative{.context = both.narrow(0, 1, 1)};
    Generator generator(sampler_plan_for(config_, config_.sampling), network,
                        {.count = 1,
                         .shape = {4, 6, 10},
                         .guidance = guidance_for(config_, {}, torch::kCPU, negative)});
    const torch::Tensor start =
        testing::hash_tensor(1'000'003, {1, 4, 6, 10}, std::sqrt(12.0)).to(torch::kFloat32);
    const torch::Tensor x = generator.make(0, positive, start).to(torch::kFloat64);
    testing::expect_numbers(x, latent, 2e-5);
    Autoencoder autoencoder =
        filled(Autoencoder(AutoencoderConfig{.widths = {32, 64}, .blocks = 1, .sample_size = 32}));
    torch::NoGradGuard no_grad;
    testing::expect_numbers(autoencoder->decode(x / 0.18215), image, 2e-5);
  }

  Config config_;
};

TEST_F(TextToImage, EqualsThePipelineOfDiffusers) {
  expect_chain({-0.229327, 4.640322, 1.539387, -0.637989},
               {0.008338, 0.433204, -0.053390, -0.083763});
}

TEST_F(TextToImage, EqualsItWithRescaledGuidance) {
  config_.sampling.guidance_rescale = 0.7;
  expect_chain({-0.387418, 4.063354, 1.994668, -1.115279},
               {0.008820, 0.436241, -0.030394, -0.104296});
}

TEST_F(TextToImage, EqualsItWithPredictedVelocity) {
  config_.diffusion.prediction_type = Prediction::kVelocity;
  expect_chain({0.031589, 1.186906, -0.127036, 0.169035},
               {0.011558, 0.438271, -0.144096, -0.134911});
}

EncodedPrompt prompt_of_tokens(std::int64_t tokens, float value) {
  return {.prompt = "", .condition = {.context = torch::full({1, tokens, 2}, value)}};
}

TEST(EncodedPrompts, AreDealtOutInTurn) {
  const std::vector<EncodedPrompt> prompts = {prompt_of_tokens(77, 0), prompt_of_tokens(77, 1),
                                              prompt_of_tokens(154, 2)};
  const torch::Tensor rows = rows_of(prompts, 4, 1).context;
  EXPECT_EQ(rows[0][0][0].item<float>(), 1);
  EXPECT_EQ(rows_of(prompts, 0, 2).context.sizes(), torch::IntArrayRef({2, 77, 2}));
  EXPECT_FALSE(rows_of(prompts, 0, 2).vector.defined());
}

TEST(EncodedPrompts, OfOneLengthShareABatch) {
  const std::vector<EncodedPrompt> prompts = {prompt_of_tokens(77, 0), prompt_of_tokens(77, 1),
                                              prompt_of_tokens(154, 2)};
  EXPECT_EQ(images_alike(prompts, 0, 8), 2);
  EXPECT_EQ(images_alike(prompts, 1, 8), 1);
  EXPECT_EQ(images_alike(prompts, 2, 8), 1);
  EXPECT_EQ(images_alike(prompts, 3, 1), 1);
}

TEST(LinesOf, AreThePromptsOfAFile) {
  EXPECT_EQ(lines_of("a fox\r\n\n  \nthe snow\n", "--prompts"),
            (std::vector<std::string>{"a fox", "the snow"}));
  EXPECT_THROW(lines_of(" \n", "--prompts"), ConfigError);
}

}  // namespace
}  // namespace ddpm
