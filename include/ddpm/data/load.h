// Loads the images that the data settings ask for.
#pragma once

#include "ddpm/base/parallel.h"
#include "ddpm/config/config.h"
#include "ddpm/data/cache.h"
#include "ddpm/data/image_store.h"

namespace ddpm {

struct LoadOptions {
  WorkOptions work = {};
  CacheUse cache = CacheUse::kReadAndWrite;
  bool force = false;  // begin although there seems to be too little memory
};

// Loads what `config.source` names:
//   embedded  the data set inside the program
//   folder    image files below `config.path` (data/image_files.h)
//   zip, tar  image files in an archive, also a .tar.gz
//   npz       an array of uint8, with labels beside it if there are any, or one .npy file
//   idx       a file of images, with its labels beside it if there are any, or a folder that holds
//             train-images-idx3-ubyte[.gz]
//   cifar10, cifar100   see formats/cifar.h
//
// Size: an image is scaled until it covers `height` x `width`, and its centre is kept; if only one
// is given, images become square. If both are 0, images keep their size and must all have the same.
// With crop "random", which needs a size, images are stored 9/8 as large, and a batch takes a
// window at a random place. Channels: 0 means grey if every image is stored as grey, else RGB.
//
// Throws DataError (missing, empty, broken data), AccessError (data that may not or cannot be read,
// whatever the settings), ConfigError (settings that contradict each
// other), and Error(kInterrupted) after `options.work.stop` returns true.
ImageStore load_images(const DataConfig& config, const LoadOptions& options = {});

}  // namespace ddpm
