#include "ddpm/data/contexts.h"

#include <algorithm>
#include <cstring>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "read_floats.h"

namespace ddpm {
namespace {

std::vector<std::int64_t> integers(const TensorView& view) {
  std::vector<std::int64_t> result(view.bytes.size() / sizeof(std::int64_t));
  std::memcpy(result.data(), view.bytes.data(), result.size() * sizeof(std::int64_t));
  return result;
}

}  // namespace

Contexts::Contexts(const std::filesystem::path& path, std::int64_t width)
    : file_(open_tensors(path, "data.context")) {
  const std::string name = path.string();
  const TensorView* contexts = file_.find("contexts");
  if (contexts == nullptr)
    throw DataError(name + ": there is no tensor 'contexts' [rows,tokens,width]");
  const std::vector<std::int64_t>& shape = contexts->shape;
  if (shape.size() != 3 || contexts->bytes.empty())
    throw DataError(name + ": 'contexts' must have the shape [rows,tokens,width], none of them 0");
  if (shape[2] != width)
    throw DataError(
        format_text("{}: the tokens of 'contexts' have {} channels; model.context_width is {}",
                    name, shape[2], width));
  static_cast<void>(read_floats(*contexts, {}, path));  // only checks the type
  count_ = shape[0];
  const std::vector<std::int64_t> one(shape.begin() + 1, shape.end());
  empty_ = torch::zeros(one);
  if (const TensorView* empty = file_.find("empty")) {
    if (empty->shape != one)
      throw DataError(format_text("{}: 'empty' must have the shape [{},{}], that of a context",
                                  name, one[0], one[1]));
    empty_ = read_floats(*empty, empty->bytes, path).view(one);
  }
  const TensorView* rows = file_.find("rows");
  if (rows != nullptr && (rows->dtype != DType::kI64 || rows->shape.size() != 1))
    throw DataError(name + ": 'rows' must be int64 [images]");
}

torch::Tensor Contexts::read(std::span<const std::int64_t> rows) const {
  const TensorView& contexts = *file_.find("contexts");
  const std::size_t row_bytes = contexts.bytes.size() / static_cast<std::size_t>(count_);
  std::vector<torch::Tensor> parts;
  for (const std::int64_t row : rows) {
    const auto offset = static_cast<std::size_t>(std::max<std::int64_t>(row, 0)) * row_bytes;
    parts.push_back(
        row < 0 ? empty_
                : read_floats(contexts, contexts.bytes.subspan(offset, row_bytes), file_.path)
                      .view(empty_.sizes()));
  }
  return torch::stack(parts);
}

std::vector<std::int64_t> Contexts::rows_of(const ImageStore& images) const {
  const std::string path = file_.path.string();
  std::vector<std::int64_t> rows;
  if (const TensorView* given = file_.find("rows")) {
    rows = integers(*given);
    if (std::ssize(rows) != images.count())
      throw DataError(format_text("{}: 'rows' has {} entries for {} images", path, rows.size(),
                                  images.count()));
  } else if (count_ == images.count()) {
    for (std::int64_t i = 0; i < count_; ++i) rows.push_back(i);
  } else {
    rows = images.labels();
  }
  const auto outside = [&](std::int64_t row) { return row < 0 || row >= count_; };
  if (const auto bad = std::ranges::find_if(rows, outside); bad != rows.end())
    throw DataError(format_text(
        "{}: image {} needs row {} of 'contexts', which has {}; there must be a row for each of the "
        "{} images or for each class, or a tensor 'rows' that says which row an image has",
        path, bad - rows.begin(), *bad, count_, images.count()));
  return rows;
}

}  // namespace ddpm
