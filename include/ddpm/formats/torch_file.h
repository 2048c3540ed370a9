// Reads files of torch.save (.pt, .pth, .bin, .ckpt): zip archives of a pickle, data.pkl, and a
// member for each storage. The pickle is read as data (pickle.h), so nothing is ever called.
// Objects of any class are passed over, but a file that refers to functions which run commands or
// load code is refused.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ddpm/formats/tensor_set.h"

namespace ddpm {

// The tensors of one dictionary or list of the file. The outermost one is called "", the value of
// its key "ema_model" is called "ema_model", and so on: "optimizer.state.0". The elements of lists
// and tuples are called "0", "1", ...
struct StateDict {
  std::string name;
  TensorSet set;
};

// Every dictionary, list and tuple that holds tensors, in the order of the file; other values are
// ignored, and so are tensors of types that networks do not have (complex, quantised) and expanded
// ones. Views of shared storages, also strided ones, become tensors of their own. Contiguous
// tensors stay in the mapped file; the others take memory, at most the size of the file. Throws
// CheckpointError "<path>: ..." for anything truncated, damaged or hostile: checksums are verified,
// and every size is compared with the file before it is used.
std::vector<StateDict> read_torch_file(const std::filesystem::path& path);

}  // namespace ddpm
