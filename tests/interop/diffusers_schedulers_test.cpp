// The schedulers of diffusers, and what they say about a model.
#include <gtest/gtest.h>

#include "ddpm/base/error.h"
#include "ddpm/config/loader.h"
#include "ddpm/config/samplers.h"
#include "ddpm/config/validate.h"
#include "ddpm/interop/diffusers.h"
#include "support/files.h"

namespace ddpm {
namespace {

using nlohmann::json;
using testing::contains;
using testing::message_of;

Config read_scheduler(const json& scheduler) {
  Config config;
  apply_scheduler_config(scheduler, "scheduler_config.json", config);
  return config;
}

TEST(Diffusers, SchedulersBecomeTheProcess) {
  const Config defaults = read_scheduler(json::object());
  EXPECT_EQ(defaults.diffusion.timesteps, 1000);
  EXPECT_EQ(defaults.diffusion.schedule, BetaSchedule::kLinear);
  EXPECT_EQ(defaults.diffusion.variance, Variance::kFixedSmall);
  EXPECT_TRUE(defaults.diffusion.clip_x0);
  EXPECT_EQ(defaults.sampling.spacing, Spacing::kLeading);
  const Config config = read_scheduler({{"beta_schedule", "scaled_linear"},
                                        {"beta_start", 0.00085},
                                        {"beta_end", 0.012},
                                        {"num_train_timesteps", 500},
                                        {"variance_type", "fixed_large"},
                                        {"clip_sample", false},
                                        {"timestep_spacing", "trailing"}});
  EXPECT_EQ(config.diffusion.schedule, BetaSchedule::kQuadratic);
  EXPECT_EQ(config.diffusion.beta_end, 0.012);
  EXPECT_EQ(config.diffusion.timesteps, 500);
  EXPECT_EQ(config.diffusion.variance, Variance::kFixedLarge);
  EXPECT_FALSE(config.diffusion.clip_x0);
  EXPECT_EQ(config.sampling.spacing, Spacing::kTrailing);
  EXPECT_EQ(read_scheduler({{"prediction_type", "v_prediction"}}).diffusion.prediction_type,
            Prediction::kVelocity);
  // From the config of an unknown sampler only the diffusion process is used.
  const Config other =
      read_scheduler({{"_class_name", "PNDMScheduler"}, {"beta_schedule", "squaredcos_cap_v2"}});
  EXPECT_EQ(other.diffusion.schedule, BetaSchedule::kCosine);
  EXPECT_EQ(other.sampling.sampler, SamplerKind::kDdpm);
}

TEST(Diffusers, DdimSchedulersAreHonoured) {
  const Config defaults = read_scheduler({{"_class_name", "DDIMScheduler"}});
  EXPECT_EQ(defaults.sampling.sampler, SamplerKind::kDdim);
  EXPECT_EQ(defaults.sampling.eta, 0);
  EXPECT_TRUE(defaults.sampling.set_alpha_to_one);
  EXPECT_FALSE(defaults.sampling.use_clipped_model_output) << "DDIMPipeline does not use it";
  const Config config = read_scheduler({{"_class_name", "DDIMScheduler"},
                                        {"clip_sample", false},
                                        {"set_alpha_to_one", false},
                                        {"steps_offset", 1},
                                        {"timestep_spacing", "trailing"},
                                        {"prediction_type", "sample"},
                                        {"rescale_betas_zero_snr", true},
                                        {"thresholding", true},
                                        {"sample_max_value", 1.5}});
  EXPECT_FALSE(config.diffusion.clip_x0);
  EXPECT_TRUE(config.diffusion.zero_terminal_snr);
  EXPECT_EQ(config.diffusion.dynamic_threshold, 0.995);
  EXPECT_EQ(config.diffusion.dynamic_threshold_max, 1.5);
  EXPECT_FALSE(config.sampling.set_alpha_to_one);
  EXPECT_EQ(config.sampling.steps_offset, 1);
  EXPECT_EQ(config.sampling.spacing, Spacing::kTrailing);
  EXPECT_EQ(config.diffusion.prediction_type, Prediction::kImage);
  Config again;
  apply_scheduler_config(json(scheduler_config(config)), "s", again);
  EXPECT_EQ(to_json(again), to_json(config));
  EXPECT_EQ(pipeline_index(config)["_class_name"], "DDIMPipeline");
}

TEST(Diffusers, SolversAreHonoured) {
  const Config euler = read_scheduler({{"_class_name", "EulerDiscreteScheduler"}});
  EXPECT_EQ(euler.sampling.sampler, SamplerKind::kEuler);
  EXPECT_EQ(euler.sampling.spacing, Spacing::kLinspace);
  EXPECT_FALSE(euler.diffusion.clip_x0);
  const json dpm = {{"_class_name", "DPMSolverMultistepScheduler"},
                    {"solver_order", 3},
                    {"solver_type", "midpoint"},
                    {"thresholding", true},
                    {"timestep_spacing", "leading"},
                    {"steps_offset", 1},
                    {"use_karras_sigmas", true}};
  const Config config = read_scheduler(dpm);
  EXPECT_EQ(config.sampling.sampler, SamplerKind::kDpmSolver3m);
  EXPECT_EQ(config.sampling.sigmas, SigmaSpacing::kKarras);
  EXPECT_EQ(config.sampling.spacing, Spacing::kLeading);
  EXPECT_EQ(config.sampling.steps_offset, 1);
  EXPECT_TRUE(config.diffusion.clip_x0) << "a threshold of at most 1 is clipping";
  EXPECT_EQ(config.diffusion.dynamic_threshold, 0);
  json changed = dpm;
  changed["solver_order"] = 2;
  EXPECT_EQ(read_scheduler(changed).sampling.sampler, SamplerKind::kDpmSolver2m);
  changed["algorithm_type"] = "sde-dpmsolver++";
  EXPECT_EQ(read_scheduler(changed).sampling.sampler, SamplerKind::kDpmSolver2mSde);
  changed["solver_order"] = 3;
  EXPECT_EQ(read_scheduler(changed).sampling.sampler, SamplerKind::kDpmSolver3mSde);
  const std::vector<std::pair<json, SamplerKind>> others = {
      {{{"_class_name", "UniPCMultistepScheduler"}}, SamplerKind::kUnipc},
      {{{"_class_name", "DEISMultistepScheduler"}, {"use_exponential_sigmas", true}},
       SamplerKind::kDeis},
      {{{"_class_name", "HeunDiscreteScheduler"}, {"clip_sample", true}}, SamplerKind::kHeun},
      {{{"_class_name", "PNDMScheduler"}, {"skip_prk_steps", true}}, SamplerKind::kPlms},
      {{{"_class_name", "EulerAncestralDiscreteScheduler"}}, SamplerKind::kEulerAncestral},
      {{{"_class_name", "KDPM2AncestralDiscreteScheduler"}}, SamplerKind::kDpm2Ancestral},
      {{{"_class_name", "DPMSolverSDEScheduler"}}, SamplerKind::kDpmSolverSde},
      {{{"_class_name", "LCMScheduler"}, {"original_inference_steps", 50}}, SamplerKind::kLcm}};
  for (const auto& [scheduler, kind] : others)
    EXPECT_EQ(read_scheduler(scheduler).sampling.sampler, kind) << scheduler;
}

// What is written of a sampler is read as the same sampler.
TEST(Diffusers, SamplersBecomeSchedulers) {
  const std::vector<std::pair<SamplerKind, const char*>> classes = {
      {SamplerKind::kEuler, "EulerDiscreteScheduler"},
      {SamplerKind::kEulerAncestral, "EulerAncestralDiscreteScheduler"},
      {SamplerKind::kHeun, "HeunDiscreteScheduler"},
      {SamplerKind::kDpm2, "KDPM2DiscreteScheduler"},
      {SamplerKind::kDpm2Ancestral, "KDPM2AncestralDiscreteScheduler"},
      {SamplerKind::kLms, "LMSDiscreteScheduler"},
      {SamplerKind::kPlms, "PNDMScheduler"},
      {SamplerKind::kDeis, "DEISMultistepScheduler"},
      {SamplerKind::kDpmSolver2m, "DPMSolverMultistepScheduler"},
      {SamplerKind::kDpmSolver3m, "DPMSolverMultistepScheduler"},
      {SamplerKind::kDpmSolver2mSde, "DPMSolverMultistepScheduler"},
      {SamplerKind::kDpmSolver3mSde, "DPMSolverMultistepScheduler"},
      {SamplerKind::kDpmSolverSde, "DPMSolverSDEScheduler"},
      {SamplerKind::kUnipc, "UniPCMultistepScheduler"},
      {SamplerKind::kLcm, "LCMScheduler"}};
  for (const auto& [kind, name] : classes)
    for (const SigmaSpacing sigmas : kChoices<SigmaSpacing>) {
      Config config;
      config.diffusion = {.timesteps = 500,
                          .schedule = BetaSchedule::kQuadratic,
                          .beta_start = 0.001,
                          .variance = Variance::kFixedSmall,
                          .clip_x0 = false};
      config.sampling.sampler = kind;
      config.sampling.spacing = kind == SamplerKind::kPlms ? Spacing::kLeading : Spacing::kTrailing;
      config.sampling.sigmas = sigmas;
      config.sampling.steps_offset = 1;
      const bool takes_limits = kind != SamplerKind::kLms && kind != SamplerKind::kDpmSolverSde;
      if (sigmas != SigmaSpacing::kSchedule && takes_limits) {
        config.sampling.sigma_min = 0.05;
        config.sampling.sigma_max = 20;
      }
      config.sampling.use_clipped_model_output = false;
      const bool takes_sigmas = facts_of(kind).takes_sigmas && kind != SamplerKind::kEulerAncestral;
      if (sigmas != SigmaSpacing::kSchedule && !takes_sigmas) {
        EXPECT_THROW(scheduler_config(config), ConfigError) << name;
        continue;
      }
      const json written = scheduler_config(config);
      EXPECT_EQ(written["_class_name"], name);
      EXPECT_EQ(to_json(read_scheduler(written)), to_json(config)) << written;
    }
}

TEST(Diffusers, ClippingIsWrittenAsTheClassHasIt) {
  Config config;
  const auto written = [&](SamplerKind kind) {
    config.sampling.sampler = kind;
    return json(scheduler_config(config));
  };
  const json dpm = written(SamplerKind::kDpmSolver2m);
  EXPECT_EQ(dpm["thresholding"], true);
  EXPECT_EQ(dpm["sample_max_value"], 1.0);
  EXPECT_FALSE(dpm.contains("clip_sample"));
  EXPECT_TRUE(read_scheduler(dpm).diffusion.clip_x0);
  const json lcm = written(SamplerKind::kLcm);
  EXPECT_EQ(lcm["clip_sample"], true);
  EXPECT_EQ(lcm["thresholding"], false);
  EXPECT_TRUE(read_scheduler(written(SamplerKind::kHeun)).diffusion.clip_x0);
  config.diffusion.dynamic_threshold = 0.9;
  config.diffusion.dynamic_threshold_max = 1.5;
  const Config read = read_scheduler(written(SamplerKind::kUnipc));
  EXPECT_EQ(read.diffusion.dynamic_threshold, 0.9);
  EXPECT_EQ(read.diffusion.dynamic_threshold_max, 1.5);
  EXPECT_EQ(read_scheduler(written(SamplerKind::kLcm)).diffusion.dynamic_threshold, 0.9);
}

TEST(Diffusers, WhatSchedulersCannotDoIsRefused) {
  Config sound;
  sound.diffusion.clip_x0 = false;
  sound.sampling.spacing = Spacing::kTrailing;
  const auto error = [&](SamplerKind kind, auto change) {
    Config config = sound;
    config.sampling.sampler = kind;
    change(config);
    return message_of<ConfigError>([&] { scheduler_config(config); });
  };
  const auto expect = [](const std::string& message, const char* part) {
    EXPECT_TRUE(contains(message, part)) << message;
  };
  expect(error(SamplerKind::kIpndm, [](Config&) {}), "diffusers has no such scheduler");
  expect(error(SamplerKind::kEuler, [](Config& c) { c.diffusion.clip_x0 = true; }),
         "diffusion.clip_x0 = true: diffusers' EulerDiscreteScheduler cannot do that; set "
         "diffusion.clip_x0=false");
  expect(error(SamplerKind::kHeun, [](Config& c) { c.diffusion.dynamic_threshold = 0.9; }),
         "diffusion.dynamic_threshold");
  expect(error(SamplerKind::kPlms, [](Config&) {}), "sampling.spacing=leading");
  expect(error(SamplerKind::kEuler, [](Config& c) { c.sampling.churn = 5; }), "sampling.churn");
  expect(error(SamplerKind::kLms,
               [](Config& c) {
                 c.sampling.sigmas = SigmaSpacing::kKarras;
                 c.sampling.sigma_max = 20;
               }),
         "sampling.sigma_max = 20.0: diffusers' LMSDiscreteScheduler cannot do that");
  expect(error(SamplerKind::kDpm2,
               [](Config& c) { c.diffusion.prediction_type = Prediction::kImage; }),
         "diffusion.prediction_type");
  expect(error(SamplerKind::kDeis,
               [](Config& c) {
                 c.diffusion.prediction_type = Prediction::kVelocity;
                 c.diffusion.zero_terminal_snr = true;
               }),
         "diffusion.zero_terminal_snr");
  expect(error(SamplerKind::kUnipc, [](Config& c) { c.model.predicts_variance = true; }),
         "--sampler ddpm");
  for (const SamplerKind kind : {SamplerKind::kDdpm, SamplerKind::kUnipc}) {
    expect(error(kind, [](Config& c) { c.sampling.spacing = Spacing::kLogsnr; }),
           "choose linspace, leading or trailing");
    expect(error(kind, [](Config& c) { c.sampling.timesteps = {5, 3}; }), "sampling.timesteps=[]");
  }
}

// DDPMPipeline does not scale the input of the network, which EulerDiscreteScheduler needs.
TEST(Diffusers, OnlySchedulersThatSuitAPipelineHaveAnIndex) {
  Config config;
  config.sampling.sampler = SamplerKind::kDpmSolver2m;
  EXPECT_EQ(pipeline_index(config)["_class_name"], "DDPMPipeline");
  EXPECT_EQ(pipeline_index(config)["scheduler"][1], "DPMSolverMultistepScheduler");
  config.sampling.sampler = SamplerKind::kEuler;
  EXPECT_TRUE(pipeline_index(config).is_null());
}

// From a scheduler with an unknown variant of a sampler only the diffusion process is used.
TEST(Diffusers, VariantsOfSolversAreLeftOut) {
  const std::vector<json> variants = {
      {{"_class_name", "DPMSolverMultistepScheduler"}, {"solver_type", "heun"}},
      {{"_class_name", "DPMSolverMultistepScheduler"}, {"algorithm_type", "dpmsolver"}},
      {{"_class_name", "DPMSolverMultistepScheduler"}, {"final_sigmas_type", "sigma_min"}},
      {{"_class_name", "EulerDiscreteScheduler"}, {"use_beta_sigmas", true}},
      {{"_class_name", "LCMScheduler"}, {"original_inference_steps", 100}},
      {{"_class_name", "UniPCMultistepScheduler"}, {"solver_order", 3}}};
  for (const json& variant : variants) {
    const Config config = read_scheduler(variant);
    EXPECT_EQ(config.sampling.sampler, SamplerKind::kDdpm) << variant;
    EXPECT_EQ(config.sampling.sigmas, SigmaSpacing::kSchedule) << variant;
  }
}

TEST(Diffusers, SchedulersThatDoSomethingElseAreRefusedByTheirKey) {
  const std::vector<std::pair<const char*, json>> cases = {
      {"beta_schedule", "laplace"},         {"beta_start", 0},
      {"trained_betas", {0.1, 0.2}},        {"prediction_type", "flow_prediction"},
      {"variance_type", "fixed_large_log"}, {"clip_sample_range", 2.0},
      {"timestep_spacing", "odd"},          {"steps_offset", -1},
      {"num_train_timesteps", 0},           {"rescale_betas_zero_snr", true}};
  for (const auto& [key, value] : cases) {
    const std::string message = message_of<CheckpointError>([&, k = key, v = value] {
      read_scheduler({{k, v}});
    });
    EXPECT_TRUE(contains(message, std::string("scheduler_config.json: ") + key)) << message;
  }
}

TEST(Diffusers, SchedulersOfOtherProcessesAreNamed) {
  for (const char* name : {"FlowMatchEulerDiscreteScheduler", "EDMEulerScheduler",
                           "CMStochasticIterativeScheduler", "ScoreSdeVeScheduler"})
    EXPECT_TRUE(
        contains(other_process({{"_class_name", name}, {"num_train_timesteps", 1000}}), name));
  EXPECT_TRUE(contains(other_process({{"_class_name", "DPMSolverMultistepScheduler"},
                                      {"beta_schedule", "linear"},
                                      {"use_flow_sigmas", true}}),
                       "flow matching"));
  EXPECT_EQ(other_process({{"_class_name", "PNDMScheduler"}, {"beta_schedule", "linear"}}), "");
  EXPECT_EQ(other_process({{"_class_name", "DDPMScheduler"}}), "");
  EXPECT_EQ(other_process(json::object()), "");
}

TEST(Diffusers, PipelinesOfLatentsAreNamed) {
  EXPECT_TRUE(contains(
      autoencoder_of({{"_class_name", "LDMPipeline"}, {"vqvae", {"diffusers", "VQModel"}}}),
      "vqvae of LDMPipeline"));
  EXPECT_EQ(autoencoder_of({{"_class_name", "DDPMPipeline"}, {"vae", nullptr}}), "");
}

TEST(Diffusers, ThresholdsThatAreNoneAreRefused) {
  const auto error = [](json scheduler) {
    scheduler["thresholding"] = true;
    return message_of<CheckpointError>([&] { read_scheduler(scheduler); });
  };
  for (const double ratio : {0.0, 1.5})
    EXPECT_TRUE(contains(error({{"dynamic_thresholding_ratio", ratio}}), "in (0, 1]"));
  EXPECT_TRUE(contains(error({{"sample_max_value", 0.5}}), "sample_max_value = 0.5"));
  EXPECT_EQ(read_scheduler({{"dynamic_thresholding_ratio", 7}}).diffusion.dynamic_threshold, 0)
      << "the ratio is ignored without thresholding";
  const json one_step = {
      {"prediction_type", "sample"}, {"num_train_timesteps", 1}, {"rescale_betas_zero_snr", true}};
  EXPECT_TRUE(contains(message_of<CheckpointError>([&] { read_scheduler(one_step); }),
                       "rescale_betas_zero_snr"));
}

}  // namespace
}  // namespace ddpm
