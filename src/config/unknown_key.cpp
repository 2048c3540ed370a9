#include "unknown_key.h"

#include <vector>

#include "ddpm/base/text.h"
#include "ddpm/config/fields.h"

namespace ddpm {
namespace {

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  for (const Section& section : sections()) names.push_back(section.name);
  return names;
}

std::vector<std::string> names_in(std::string_view section) {
  std::vector<std::string> names;
  for (const Field& field : fields())
    if (field.section() == section) names.push_back(field.name());
  return names;
}

// The sections that have a key of that name: 'training.batch_size', 'sampling.batch_size'.
std::vector<std::string> quoted_paths_named(std::string_view name) {
  std::vector<std::string> paths;
  for (const Field& field : fields())
    if (field.name() == name) paths.push_back("'" + field.path + "'");
  return paths;
}

// "lr" for learning_rate.
std::string initials(std::string_view name) {
  std::string letters;
  for (std::size_t i = 0; i < name.size(); ++i)
    if (i == 0 || name[i - 1] == '_') letters += name[i];
  return letters;
}

// What other programs call a key, and its name here.
struct Synonym {
  std::string_view other;
  std::vector<std::string> paths;  // the first that is in the section asked for, else all
  std::string_view note = "";      // behind the suggestion
};

const std::vector<Synonym>& synonyms() {
  constexpr std::string_view kSteps =
      " Training is counted in steps, not in epochs: an epoch has as many steps as batches fill the "
      "data set";
  static const std::vector<Synonym> kSynonyms = {
      {"batch", {"training.batch_size", "sampling.batch_size"}},
      {"ch_mult", {"model.width_multipliers"}},
      {"channel_mult", {"model.width_multipliers"}},
      {"clip", {"training.clip_norm"}},
      {"data_dir", {"data.path"}},
      {"dataset", {"data.path"}},
      {"dim", {"model.base_width"}},
      {"dim_mults", {"model.width_multipliers"}},
      {"ema", {"training.ema_decay"}},
      {"ema_rate", {"training.ema_decay"}},
      {"epoch", {"training.steps"}, kSteps},
      {"epochs", {"training.steps"}, kSteps},
      {"flip", {"data.horizontal_flip"}},
      {"grad_clip", {"training.clip_norm"}},
      {"gradient_accumulation_steps", {"training.micro_batches"}},
      {"image_size", {"data.height", "data.width"}},
      {"iterations", {"training.steps"}},
      {"max_grad_norm", {"training.clip_norm"}},
      {"max_steps", {"training.steps"}},
      {"num_classes", {"model.classes"}},
      {"num_epochs", {"training.steps"}, kSteps},
      {"num_steps", {"training.steps", "sampling.steps"}},
      {"num_train_timesteps", {"diffusion.timesteps"}},
      {"num_workers", {"run.threads"}},
      {"output_dir", {"run.directory"}},
      {"resolution", {"data.height", "data.width"}},
      {"save_every", {"training.checkpoint_every"}},
      {"size", {"data.height", "data.width"}},
      {"warmup", {"training.warmup_steps"}},
      {"workers", {"run.threads"}},
  };
  return kSynonyms;
}

// "; did you mean 'training.ema_decay'?" for "ema" in any section; empty if the name is no synonym.
std::string advice_for_synonym(std::string_view section, std::string_view name) {
  for (const Synonym& synonym : synonyms()) {
    if (synonym.other != name) continue;
    std::vector<std::string> quoted;
    for (const std::string& path : synonym.paths)
      if (path.starts_with(std::string(section) + ".")) quoted.push_back("'" + path + "'");
    if (quoted.empty())
      for (const std::string& path : synonym.paths) quoted.push_back("'" + path + "'");
    // Both sides of an image are meant, not one of them.
    const bool is_size = synonym.paths.front() == "data.height";
    return "; did you mean " + join(quoted, ", ", is_size ? " and " : " or ") + "?" +
           std::string(synonym.note);
  }
  return "";
}

// Of all sections, or of one, the paths of the keys with these initials.
std::vector<std::string> quoted_paths_abbreviated(std::string_view letters,
                                                  std::string_view section = "") {
  std::vector<std::string> paths;
  for (const Field& field : fields())
    if (letters.size() > 1 && initials(field.name()) == letters &&
        (section.empty() || field.section() == section))
      paths.push_back("'" + field.path + "'");
  return paths;
}

std::string nearest_path(std::string_view path) {
  std::vector<std::string> paths;
  for (const Field& field : fields()) paths.push_back(field.path);
  return nearest(path, paths);
}

std::string nearest_name_anywhere(std::string_view name) {
  std::vector<std::string> names;
  for (const Field& field : fields()) names.push_back(field.name());
  return nearest(name, names);
}

std::string did_you_mean(const std::vector<std::string>& quoted) {
  return "; did you mean " + join(quoted, ", ", " or ") + "?";
}

// The right name in the wrong place is a better guess than a similar name in the right place.
std::string advice_in_section(std::string_view section, std::string_view name) {
  if (const auto elsewhere = quoted_paths_named(name); !elsewhere.empty())
    return did_you_mean(elsewhere);
  if (const auto meant = quoted_paths_abbreviated(name, section); !meant.empty())
    return did_you_mean(meant);
  if (const std::string meant = advice_for_synonym(section, name); !meant.empty()) return meant;
  if (const auto meant = quoted_paths_abbreviated(name); !meant.empty()) return did_you_mean(meant);
  const std::vector<std::string> siblings = names_in(section);
  const std::string dotted = std::string(section) + ".";
  if (const std::string near = nearest(name, siblings); !near.empty())
    return did_you_mean({"'" + dotted + near + "'"});
  if (const std::string near = nearest_name_anywhere(name); !near.empty())
    return did_you_mean(quoted_paths_named(near));
  return "; the keys of '" + std::string(section) + "' are " + join(siblings);
}

std::string advice_at_top(std::string_view name) {
  if (const auto elsewhere = quoted_paths_named(name); !elsewhere.empty())
    return did_you_mean(elsewhere);
  if (const auto meant = quoted_paths_abbreviated(name); !meant.empty()) return did_you_mean(meant);
  if (const std::string meant = advice_for_synonym("", name); !meant.empty()) return meant;
  if (const std::string near = nearest(name, section_names()); !near.empty())
    return did_you_mean({"'" + near + "'"});
  if (const std::string near = nearest_name_anywhere(name); !near.empty())
    return did_you_mean(quoted_paths_named(near));
  return "; the sections are " + join(section_names());
}

std::string advice(std::string_view path) {
  const std::size_t dot = path.find('.');
  if (dot == std::string_view::npos) return advice_at_top(path);
  const std::string_view section = path.substr(0, dot);
  const std::string_view name = path.substr(dot + 1);
  if (!names_in(section).empty()) return advice_in_section(section, name);
  if (const std::string near = nearest_path(path); !near.empty())
    return did_you_mean({"'" + near + "'"});
  return advice_at_top(name);
}

}  // namespace

std::string unknown_key_text(std::string_view path) {
  return "unknown key '" + shorten(path) + "'" + advice(path);
}

}  // namespace ddpm
