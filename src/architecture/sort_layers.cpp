#include "sort_layers.h"

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

namespace ddpm {

LayerSorter::LayerSorter(const std::vector<WrittenLayer>& layers, std::string input,
                         std::string origin)
    : layers_(layers), input_(std::move(input)), origin_(std::move(origin)) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string& name = layers[i].name;
    if (name == input_ || !index_.emplace(name, i).second)
      fail(i, "name",
           format_text("'{}' is the name of {} too; names must differ", shorten(name),
                       name == input_ ? "the input" : layers[index_.at(name)].path));
  }
}

std::vector<std::size_t> LayerSorter::order(const std::string& output) {
  const auto last = index_.find(output);
  if (last == index_.end())
    throw ConfigError(format_text("{}: output: {}", origin_, unknown(output)));
  visit_all(last->second);
  for (std::size_t i = 0; i < layers_.size(); ++i)
    if (!state_.contains(i))
      fail(i, "name",
           format_text("'{}' leads nowhere: nothing on the way to the output '{}' reads "
                       "it; remove it, or name it as an input of another layer",
                       shorten(layers_[i].name), shorten(output)));
  return std::move(order_);
}

void LayerSorter::fail(std::size_t layer, const std::string& key, const std::string& reason) const {
  throw ConfigError(format_text("{}: {}.{} {}", origin_, layers_[layer].path, key, reason));
}

std::string LayerSorter::unknown(const std::string& name) const {
  std::vector<std::string> names = {input_};
  for (const auto& [known, i] : index_) names.push_back(known);
  const std::string guess = nearest(name, names);
  return format_text("there is no layer '{}'{}", shorten(name),
                     guess.empty() ? "" : "; did you mean '" + shorten(guess) + "'?");
}

void LayerSorter::visit_all(std::size_t last) {
  OpenLayers open = {{last, 0}};
  state_[last] = State::kOpen;
  while (!open.empty()) {
    auto& [layer, next] = open.back();
    if (next == layers_[layer].inputs.size()) {
      state_[layer] = State::kDone;
      order_.push_back(layer);
      open.pop_back();
      continue;
    }
    const std::string& name = layers_[layer].inputs[next++];
    if (name == input_) continue;
    const auto found = index_.find(name);
    if (found == index_.end()) fail(layer, "input", "is wrong: " + unknown(name));
    const auto [state, is_new] = state_.emplace(found->second, State::kOpen);
    if (!is_new && state->second == State::kOpen) refuse_cycle(open, found->second);
    if (is_new) open.emplace_back(found->second, 0);
  }
}

void LayerSorter::refuse_cycle(const OpenLayers& open, std::size_t closing) const {
  // Each open layer reads the next one, and the last reads the closing one again.
  std::vector<std::string> names = {shorten(layers_[closing].name)};
  for (std::size_t i = open.size(); i-- > 0 && open[i].first != closing;)
    names.push_back(shorten(layers_[open[i].first].name));
  names.push_back(names.front());
  constexpr std::size_t kMostShown = 8;
  if (names.size() > kMostShown) {
    names.erase(names.begin() + kMostShown / 2, names.end() - kMostShown / 2);
    names.insert(names.begin() + kMostShown / 2, "...");
  }
  fail(open.back().first, "input",
       "closes a cycle: " + join(names, " -> ") + "; data must flow from the input to the output");
}

}  // namespace ddpm
