// From the data settings to decoded images in memory.
#pragma once

#include "ddpm/config/config.h"
#include "ddpm/data/folder.h"
#include "ddpm/data/image_store.h"

namespace ddpm {

// Loads what `config.source` names:
//   embedded  the data set inside the program
//   folder    PNG, JPEG and BMP files below `config.path`; a first-level sub-folder is a class
//   idx       one images file (labels beside it, if there are any), or a folder that holds
//             train-images-idx3-ubyte[.gz]
//   cifar10   see formats/cifar10.h
//
// Size: `height` and `width` (one given: square) are reached by scaling until the image covers them
// and keeping the centre; both 0 leaves images as they are, which must then all have one size. With
// crop "random" (needs a size) images are stored 9/8 as large and batches take a window at random.
// Channels 0: grey if every image is stored as grey, else RGB.
//
// Throws DataError (missing, empty, broken data), ConfigError (settings that contradict each
// other), and Error(kInterrupted) once `options.stop` says so.
ImageStore load_images(const DataConfig& config, const WorkOptions& options = {});

}  // namespace ddpm
