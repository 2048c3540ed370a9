// Brings the layers of a layer graph into the order of evaluation. Private to architecture/.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ddpm/architecture/layer_graph.h"

namespace ddpm {

// A layer as it is written: with the names of its inputs, and the numbers of each axis.
struct WrittenLayer {
  std::string path;  // "layers[3]"
  std::string name;
  LayerKind kind = LayerKind::kPoint;
  std::vector<std::string> inputs;
  std::vector<Layer> by_axis;  // without name, kind and inputs
};

// Finds the order. Depth first, without recursion: a chain may have thousands of layers.
class LayerSorter {
 public:
  // Throws ConfigError if two layers have one name. `input` is the name of the network's input, and
  // `origin` names the file in messages.
  LayerSorter(const std::vector<WrittenLayer>& layers, std::string input, std::string origin);

  // The indices of the layers that `output` needs, each behind its inputs, so `output` is last. Throws
  // ConfigError for an unknown name, a cycle, and a layer that is not needed. To be called once.
  std::vector<std::size_t> order(const std::string& output);

  std::size_t index_of(const std::string& name) const { return index_.at(name); }

 private:
  enum class State { kOpen, kDone };
  using OpenLayers = std::vector<std::pair<std::size_t, std::size_t>>;  // layer, next input

  [[noreturn]] void fail(std::size_t layer, const std::string& key,
                         const std::string& reason) const;
  std::string unknown(const std::string& name) const;
  void visit_all(std::size_t last);
  [[noreturn]] void refuse_cycle(const OpenLayers& open, std::size_t closing) const;

  const std::vector<WrittenLayer>& layers_;
  std::string input_, origin_;
  std::map<std::string, std::size_t> index_;  // by name
  std::map<std::size_t, State> state_;        // of the layers seen so far
  std::vector<std::size_t> order_;
};

}  // namespace ddpm
