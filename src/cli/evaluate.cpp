#include "ddpm/base/signals.h"
#include "ddpm/base/text.h"
#include "evaluation.h"

namespace ddpm::cli {
namespace {

ExitCode run_evaluate(const EvaluateOptions& options) {
  Evaluation evaluation(options);
  for (const std::string& path : options.images) evaluation.evaluate_images(path);
  std::vector<std::string> models = options.models;
  if (models.empty() && options.images.empty()) models.emplace_back();  // the newest run
  for (const std::string& path : models) {
    if (options.compare_samplers)
      evaluation.compare_samplers(path);
    else
      evaluation.evaluate_model(path);
  }
  print(evaluation.table(), options.json);
  return ExitCode::kSuccess;
}

void add_set_options(CLI::App& command, EvaluateOptions& options) {
  constexpr const char* kGroup = "Images";
  command
      .add_option("--images", options.images,
                  "Evaluate these images instead of a model's: folders, or files that hold images; "
                  "several are evaluated one after the other")
      ->type_name("PATH")
      ->group(kGroup);
  command
      .add_option(
          "--data", options.data,
          "Images to compare with: a folder, or a file that holds images [what the model was "
          "trained with]")
      ->type_name("PATH")
      ->group(kGroup);
  command
      .add_option("--statistics", options.statistics,
                  "Compare with the mean and covariance of this file, as pytorch-fid and clean-fid "
                  "write them (arrays mu and sigma)")
      ->type_name("FILE.npz")
      ->group(kGroup);
  command
      .add_option("--write-statistics", options.write_statistics,
                  "Write the mean and covariance of the images to compare with")
      ->type_name("FILE.npz")
      ->group(kGroup);
  command
      .add_option("--reference-count", options.reference_count,
                  "Compare with so many images, chosen at random [all]")
      ->check(at_least(2))
      ->type_name("N")
      ->group(kGroup);
}

void add_metric_options(CLI::App& command, EvaluateOptions& options) {
  constexpr const char* kGroup = "Metrics";
  command
      .add_option(
          "--metrics", options.metrics,
          format_text("A list with commas of {}; see docs/evaluation.md [fid, kid, is and prdc, as "
                      "far as the network and what is compared with allow; without a network swd]",
                      join_names(kChoiceNames<Metric>)))
      ->delimiter(',')
      ->type_name("LIST")
      ->group(kGroup);
  command
      .add_option("--features", options.features,
                  "Network for features: weights of Inception-v3 as pytorch-fid and torch-fidelity "
                  "have them, or a TorchScript program, which is run, so it must be one that you "
                  "trust [where these two have left the weights, if they have]")
      ->type_name("FILE")
      ->group(kGroup);
  command
      .add_option("--resize", options.resize,
                  format_text("Enlarge images for Inception as this program does: {} [{}]",
                              join_names(kChoiceNames<InceptionResize>), options.resize))
      ->type_name("NAME")
      ->group(kGroup);
  command
      .add_option("--nll-count", options.nll_count,
                  format_text("Real images of the likelihood, chosen at random [{}, or all]",
                              kDefaultNllCount))
      ->check(at_least(1))
      ->type_name("N")
      ->group(kGroup);
  command
      .add_flag("--compare-samplers", options.compare_samplers,
                "Evaluate the model with several samplers, and list the best first")
      ->group(kGroup);
  command
      .add_option("--compare-steps", options.compare_steps,
                  "With --compare-samplers: the numbers of steps, a list with commas [10,20,50]")
      ->delimiter(',')
      ->check(at_least(1))
      ->type_name("LIST")
      ->group(kGroup);
  command.add_flag("--json", options.json, "Print JSON; docs/formats/evaluate.md has its keys")
      ->group(kGroup);
}

}  // namespace

void add_evaluate(CLI::App& program, Action& action) {
  auto options = std::make_shared<EvaluateOptions>();
  CLI::App* command = program.add_subcommand(
      "evaluate", "Measure how good the images of models are: FID and others");
  DrawingOptions& drawing = options->drawing;
  command
      ->add_option("models,--model", options->models,
                   model_help() +
                       "; several are evaluated one after the other [the newest run in "
                       "runs/]")
      ->type_name("PATH")
      ->group("Model");
  add_weights_options(*command, drawing.model);
  add_set_options(*command, *options);
  add_metric_options(*command, *options);
  add_sampler_options(*command, drawing.sampling);
  add_count_options(
      *command, drawing.sampling,
      format_text("Images to draw [{}], or to take from --images [all]", kDefaultCount));
  add_class_options(*command, drawing.sampling);
  add_guidance_options(*command, drawing.sampling);
  add_common_drawing_options(*command, drawing);
  command->footer(
      examples({"ddpm evaluate runs/cifar10 --features pt_inception-2015-12-05-6726825d.pth",
                "ddpm evaluate runs/a runs/b --sampler ddim --steps 50 --count 50000 --metrics fid",
                "ddpm evaluate --images samples --data photos --metrics fid,kid",
                "ddpm evaluate runs/cifar10 --metrics nll --data held-out",
                "ddpm evaluate runs/cifar10 --compare-samplers --compare-steps 10,20"}));
  command->callback([&action, options] {
    action = [options] {
      set_up_logging(options->drawing.common.log);
      handle_stop_requests();
      return run_evaluate(*options);
    };
  });
}

}  // namespace ddpm::cli
