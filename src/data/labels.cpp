#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include <nlohmann/json.hpp>

#include "ddpm/base/error.h"
#include "ddpm/base/file.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"
#include "ddpm/formats/json.h"
#include "listing.h"

namespace ddpm {
namespace {

// The label of an image is the position of its name among all names, sorted; an image whose name is
// empty has none.
void label_by_names(ImageFiles& files, const std::vector<std::string>& names) {
  std::map<std::string, std::int64_t> numbers;
  for (const std::string& name : names)
    if (!name.empty()) numbers[name] = 0;
  for (auto& [name, number] : numbers) {
    number = static_cast<std::int64_t>(files.class_names.size());
    files.class_names.push_back(escaped(name));
  }
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!names[i].empty()) files.images[i].label = numbers[names[i]];
}

// The folder that holds all images, as "photos" in photos.zip.
fs::path common_folder(const ImageFiles& files) {
  fs::path common = files.images.front().path.parent_path();
  for (const ImageFile& image : files.images)
    while (
        !common.empty() &&
        std::mismatch(common.begin(), common.end(), image.path.begin(), image.path.end()).first !=
            common.end())
      common = common.parent_path();
  return common;
}

// "cats" for "cats/young/1.png"; empty for a file that lies directly in the root. The folder in which
// everything in an archive lies is no class.
void label_by_folder(ImageFiles& files) {
  const fs::path common = files.is_archive ? common_folder(files) : fs::path();
  const auto class_of = [&](const fs::path& folder) -> std::string {
    const fs::path below = common.empty() ? folder : folder.lexically_relative(common);
    return below.empty() || below == "." || *below.begin() == ".." ? "" : below.begin()->string();
  };
  std::vector<std::string> names;
  for (const ImageFile& image : files.images) names.push_back(class_of(image.path.parent_path()));
  label_by_names(files, names);
  std::set<std::string> empty;
  for (const fs::path& folder : files.other_folders) empty.insert(class_of(folder));
  for (const std::string& name : names) empty.erase(name);
  empty.erase("");
  for (const std::string& name : empty) files.empty_classes.push_back(escaped(name));
}

// "tabby" for "cats/tabby_017.png", as OpenAI's programs name their images.
void label_by_prefix(ImageFiles& files) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < files.images.size(); ++i) {
    const std::string name = files.images[i].path.filename().string();
    const std::size_t end = name.find('_');
    if (end == std::string::npos || end == 0)
      throw DataError(format_text(
          "data.labels = \"prefix\": the name of '{}' does not begin with a class and _",
          printable(files.full_name(i))));
    names.push_back(name.substr(0, end));
  }
  label_by_names(files, names);
}

// Throws DataError "<message> image 'a.png' and 3 others" if an image has no label.
void require_labels(const ImageFiles& files, const std::string& message) {
  std::int64_t without = 0;
  std::size_t first = 0;
  for (std::size_t i = files.images.size(); i-- > 0;)
    if (files.images[i].label < 0) {
      first = i;
      ++without;
    }
  if (without > 0)
    throw DataError(format_text("{} image '{}'{}", message, printable(files.full_name(first)),
                                without > 1 ? " and " + counted(without - 1, "other") : ""));
}

constexpr std::int64_t kMostClasses = 1'000'000;

bool is_label(std::int64_t label) { return label >= 0 && label < kMostClasses; }

// {"labels": [["00000/img00000000.png", 6], ...]}, or null for a set without labels; nothing then.
std::optional<std::map<std::string, std::int64_t>> labels_of_json(const std::string& text,
                                                                  const std::string& name) {
  const nlohmann::json json = read_as_data([&] { return parse_json(text, name); });
  const auto found = json.find("labels");
  if (found == json.end() || found->is_null()) return std::nullopt;
  std::map<std::string, std::int64_t> labels;
  for (const nlohmann::json& entry : *found) {
    const bool is_pair = entry.is_array() && entry.size() == 2 && entry[0].is_string();
    if (!is_pair || !entry[1].is_number_integer() || !is_label(entry[1].get<std::int64_t>()))
      throw DataError(
          format_text("{}: labels must be pairs of a file name and a class number, not {}", name,
                      shorten(entry.dump())));
    auto path = entry[0].get<std::string>();
    std::ranges::replace(path, '\\', '/');  // of a tool that ran on Windows
    labels[path] = entry[1].get<std::int64_t>();
  }
  return labels;
}

// The folder with the dataset.json of all images: the one nearest to them, because people pack and
// unpack data sets with a folder around. Nothing if there is none.
std::optional<fs::path> folder_of_dataset_file(const ImageFiles& files) {
  for (fs::path folder = common_folder(files);; folder = folder.parent_path()) {
    if (files.label_files.contains((folder / kDatasetFile).string())) return folder;
    if (folder.empty()) return std::nullopt;
  }
}

// A dataset.json that does not concern all images is a file like any other.
void pass_over_other_dataset_files(ImageFiles& files) {
  const std::optional<fs::path> folder = folder_of_dataset_file(files);
  const std::string used = folder ? (*folder / kDatasetFile).string() : "";
  const auto others = std::erase_if(files.label_files, [&](const auto& file) {
    return fs::path(file.first).filename() == kDatasetFile && file.first != used;
  });
  if (others > 0) files.passed_over[".json"] += static_cast<std::int64_t>(others);
}

// Returns whether there is a dataset.json with labels. Its names are relative to its own folder.
bool label_by_dataset_file(ImageFiles& files) {
  const std::optional<fs::path> folder = folder_of_dataset_file(files);
  if (!folder) return false;
  const std::string file = (*folder / kDatasetFile).string();
  const std::string name = shown(files.root) + ": " + printable(file);
  const auto labels = labels_of_json(files.label_files.at(file), name);
  if (!labels) return false;
  const std::size_t prefix = file.size() - std::string_view(kDatasetFile).size();
  for (std::size_t i = 0; i < files.images.size(); ++i) {
    const auto found = labels->find(files.images[i].path.generic_string().substr(prefix));
    if (found != labels->end()) files.images[i].label = found->second;
  }
  require_labels(files, name + " has no class for");
  return true;
}

std::optional<std::int64_t> parse_label(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  std::int64_t label = 0;
  if (first == std::string::npos) return std::nullopt;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + first, end, label);
  const bool is_whole =
      std::string_view(parsed.ptr, end).find_first_not_of(" \t\r\n") == std::string_view::npos;
  if (parsed.ec != std::errc() || !is_whole || !is_label(label)) return std::nullopt;
  return label;
}

// By the .cls files of samples.
bool label_by_sidecars(ImageFiles& files) {
  std::map<std::string, const std::string*> contents;
  for (const auto& [path, content] : files.label_files)
    if (path.ends_with(kClassEnding)) contents[sample_key(path)] = &content;
  if (contents.empty()) return false;
  for (std::size_t i = 0; i < files.images.size(); ++i) {
    const auto found = contents.find(sample_key(files.images[i].path));
    if (found == contents.end()) continue;
    const std::optional<std::int64_t> label = parse_label(*found->second);
    if (!label)
      throw DataError(format_text("the .cls file of image '{}' must hold a class number, not '{}'",
                                  printable(files.full_name(i)), shorten(*found->second)));
    files.images[i].label = *label;
  }
  require_labels(files, "there is no .cls file for");
  return true;
}

}  // namespace

void label_images(ImageFiles& files, LabelSource source) {
  pass_over_other_dataset_files(files);
  const bool may_be_file = source == LabelSource::kFile || source == LabelSource::kAuto;
  const bool labelled = may_be_file && (label_by_dataset_file(files) || label_by_sidecars(files));
  if (source == LabelSource::kFile && !labelled)
    throw DataError(format_text(
        "data.labels = \"file\": '{}' has no dataset.json with labels and no .cls files",
        shown(files.root)));
  if (source == LabelSource::kFolder || (source == LabelSource::kAuto && !labelled))
    label_by_folder(files);
  if (source == LabelSource::kPrefix) label_by_prefix(files);
}

}  // namespace ddpm
