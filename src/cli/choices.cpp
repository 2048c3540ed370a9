#include "choices.h"

#include <span>
#include <string_view>

#include "ddpm/audio/wav.h"
#include "ddpm/base/progress.h"
#include "ddpm/io/export_model.h"
#include "ddpm/io/hifi_gan_file.h"
#include "ddpm/sampling/write_images.h"

namespace ddpm::cli {
namespace {

std::vector<std::string> devices() { return {"auto", "cpu", "cuda"}; }

template <class E>
std::vector<std::string> names() {
  return {kChoiceNames<E>.begin(), kChoiceNames<E>.end()};
}

std::vector<std::string> joined(std::vector<std::string> list,
                                const std::vector<std::string>& more) {
  list.insert(list.end(), more.begin(), more.end());
  return list;
}

}  // namespace

std::vector<std::string> values_of_option(const std::string& name) {
  if (name == "--device") return devices();
  if (name == "--precision") return names<Precision>();
  if (name == "--progress") return names<ProgressStyle>();
  if (name == "--weights") return names<WeightSet>();
  if (name == "--sampler") return names<SamplerKind>();
  if (name == "--sigmas") return names<SigmaSpacing>();
  if (name == "--spacing") return names<Spacing>();
  if (name == "--format") return names<ImageFormat>();
  if (name == "--sample-format") return names<WavFormat>();
  if (name == "--to") return joined(names<ModelFormat>(), names<HifiGanFormat>());
  if (name == "--dtype") return names<ExportType>();
  if (name == "--resume") return {"auto", "latest"};
  return {};
}

std::vector<std::string> values_of_key(const Field& field) {
  if (field.path == "run.device") return devices();
  if (field.type() == FieldType::kBoolean) return {"true", "false"};
  return field.limits.choices;
}

}  // namespace ddpm::cli
