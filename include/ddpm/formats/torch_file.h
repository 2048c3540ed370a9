// Reads files of torch.save (.pt, .pth, .bin, .ckpt): zip archives of a pickle, data.pkl, and a
// member for each storage. The pickle is read as data (pickle.h), so nothing is ever called. A file
// that wants to call anything but PyTorch's own constructors of tensors is refused.
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

// Every dictionary that holds tensors, in the order of the file; other values are ignored. Views of
// shared storages, also strided ones, become tensors of their own. Contiguous tensors stay in the
// mapped file; the others take memory, at most the size of the file. Throws CheckpointError
// "<path>: ..." for anything truncated, damaged or hostile: checksums are verified, and every size
// is compared with the file before it is used.
std::vector<StateDict> read_torch_file(const std::filesystem::path& path);

}  // namespace ddpm
