// Files of torch.save (.pt, .pth, .bin, .ckpt): a zip archive of a pickle, data.pkl, and one member
// a storage. The pickle is read as data (pickle.h): a file that wants to call anything but
// PyTorch's own constructors of tensors is refused, and those are not called either.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// The tensors of one dictionary of the file. The outermost one is called "", the value of its key
// "ema_model" is called "ema_model", and so on: "optimizer.state.0".
struct StateDict {
  std::string name;
  TensorSet set;
};

// Every dictionary that holds tensors, in the order of the file. Numbers, texts and the like are
// passed over. Views of shared storages, strided ones too, become tensors of their own. Throws
// CheckpointError "<path>: ..." for anything truncated, damaged or hostile: checksums are verified,
// and every size is checked against the file before it is believed. Needs memory only for what is
// not contiguous, at most as much as the file is long.
std::vector<StateDict> read_torch_file(const std::filesystem::path& path);

}  // namespace ddpm
