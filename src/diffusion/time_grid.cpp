#include "ddpm/diffusion/time_grid.h"

#include <algorithm>
#include <cmath>
#include <regex>

#include "ddpm/base/error.h"
#include "ddpm/base/format.h"
#include "ddpm/base/text.h"

namespace ddpm {
namespace {

using Grid = std::vector<std::int64_t>;

constexpr std::string_view kDdim = "ddim";

// std::nearbyint rounds half to even in the default rounding mode.
std::int64_t round_to_even(double value) {
  return static_cast<std::int64_t>(std::nearbyint(value));
}

// Item i of numpy's linspace(0, last, count).
double item(double last, std::int64_t count, std::int64_t i) {
  return i + 1 == count ? last : static_cast<double>(i) * (last / static_cast<double>(count - 1));
}

std::int64_t quadratic_time(std::int64_t timesteps, std::int64_t steps, std::int64_t from_end) {
  const double root = item(std::sqrt(0.8 * static_cast<double>(timesteps)), steps, from_end);
  return std::min(static_cast<std::int64_t>(root * root), timesteps - 1);
}

// ln(signal / sigma) of all timesteps, the last one first, which does not descend. An alpha_bar of 0
// is taken as 2^-24, as by the solvers, and may then lie above the one before it.
std::vector<double> lambdas_of(const NoiseSchedule& schedule) {
  std::vector<double> list;
  for (std::int64_t t = schedule.timesteps() - 1; t >= 0; --t) {
    const double alpha_bar = schedule.alpha_bar(t) > 0 ? schedule.alpha_bar(t) : 0x1p-24;
    const double lambda = std::log(alpha_bar / (1 - alpha_bar)) / 2;
    list.push_back(list.empty() ? lambda : std::max(lambda, list.back()));
  }
  return list;
}

Grid logsnr_grid(const NoiseSchedule& schedule, std::int64_t steps) {
  const std::vector<double> lambdas = lambdas_of(schedule);
  const double first = lambdas.front(), range = lambdas.back() - first;
  Grid grid;
  for (std::int64_t i = 0; i < steps; ++i) {
    const double wanted =
        steps == 1 ? first : std::min(first + item(range, steps, i), lambdas.back());
    auto nearest = std::ranges::lower_bound(lambdas, wanted);
    if (nearest != lambdas.begin() && wanted - nearest[-1] < *nearest - wanted) --nearest;
    grid.push_back(lambdas.end() - nearest - 1);
  }
  return grid;
}

// Makes repeated timesteps distinct: each is at least one above the one after it.
Grid distinct(Grid grid, std::int64_t timesteps) {
  for (std::size_t i = grid.size() - 1; i > 0; --i)
    grid[i - 1] = std::max(grid[i - 1], grid[i] + 1);
  std::int64_t most = timesteps - 1;
  for (std::int64_t& t : grid) {
    t = std::min(t, most);
    most = t - 1;
  }
  return grid;
}

// The timestep of sampling step i, counted from 0, before repeated ones are made distinct.
std::int64_t grid_time(std::int64_t timesteps, std::int64_t steps, Spacing spacing,
                       std::int64_t offset, std::int64_t i) {
  const auto total = static_cast<double>(timesteps), count = static_cast<double>(steps);
  const std::int64_t from_end = steps - 1 - i;
  switch (spacing) {
    case Spacing::kLinspace:
      if (steps == 1) return timesteps - 1;
      return round_to_even(static_cast<double>(from_end) * ((total - 1) / (count - 1)));
    case Spacing::kLeading:
      return from_end * (timesteps / steps) + offset;
    case Spacing::kTrailing:
      return round_to_even(total - static_cast<double>(i) * total / count) - 1;
    case Spacing::kQuadratic:
      return quadratic_time(timesteps, steps, from_end);
    case Spacing::kLogsnr:
      break;  // needs the schedule
  }
  return 0;
}

// The number of timesteps 0, stride, 2 stride, ...
std::int64_t visited(std::int64_t timesteps, std::int64_t stride) {
  return (timesteps + stride - 1) / stride;
}

Grid ddim_grid(std::int64_t timesteps, std::int64_t count) {
  std::int64_t stride = 1;
  while (stride < timesteps && visited(timesteps, stride) > count) ++stride;
  if (visited(timesteps, stride) == count) {
    Grid grid;
    for (std::int64_t t = (count - 1) * stride; t >= 0; t -= stride) grid.push_back(t);
    return grid;
  }
  std::vector<std::string> possible;
  for (const std::int64_t near : {stride - 1, stride})
    if (near > 0) possible.push_back(format_text("ddim{}", visited(timesteps, near)));
  throw ConfigError(format_text(
      "--steps ddim{}: no whole stride through {} timesteps makes so many steps; choose {}, or "
      "--steps {} with --spacing leading",
      count, timesteps, join(possible, ", ", " or "),
      std::clamp<std::int64_t>(count, 1, timesteps)));
}

// Appends `count` of the timesteps begin .. begin + size - 1, ascending. The stride is added up in
// float64, as OpenAI's code does, which decides how some of the sums are rounded.
void append_section(Grid& grid, std::int64_t begin, std::int64_t size, std::int64_t count) {
  const double stride =
      count <= 1 ? 1 : static_cast<double>(size - 1) / static_cast<double>(count - 1);
  double at = 0;
  for (std::int64_t i = 0; i < count; ++i, at += stride) grid.push_back(begin + round_to_even(at));
}

std::vector<std::int64_t> numbers_in(const std::string& text) {
  std::vector<std::int64_t> numbers;
  const std::regex number("[0-9]+");
  for (auto found = std::sregex_iterator(text.begin(), text.end(), number);
       found != std::sregex_iterator(); ++found)
    numbers.push_back(std::stoll(found->str()));
  return numbers;
}

}  // namespace

std::vector<std::int64_t> time_grid(const NoiseSchedule& schedule, std::int64_t steps,
                                    Spacing spacing, std::int64_t offset) {
  const std::int64_t timesteps = schedule.timesteps();
  if (steps < 1 || steps > timesteps)
    throw ConfigError(format_text(
        "{} sampling steps: the number must be between 1 and {}, the timesteps of the process",
        steps, timesteps));
  if (spacing == Spacing::kLogsnr) return distinct(logsnr_grid(schedule, steps), timesteps);
  Grid grid;
  for (std::int64_t i = 0; i < steps; ++i)
    grid.push_back(grid_time(timesteps, steps, spacing, offset, i));
  if (spacing == Spacing::kQuadratic) return distinct(std::move(grid), timesteps);
  if (grid.front() >= timesteps)
    throw ConfigError(format_text(
        "sampling.steps_offset = {}: {} steps would begin at timestep {}, but the last timestep of "
        "the process is {}; use fewer steps, or set sampling.steps_offset=0",
        offset, steps, grid.front(), timesteps - 1));
  return grid;
}

bool names_sections(std::string_view text) {
  static const std::regex kSections("ddim[0-9]{1,9}|[0-9]{1,9}(,[0-9]{1,9})+");
  return std::regex_match(text.begin(), text.end(), kSections);
}

std::vector<std::int64_t> respaced_grid(std::int64_t timesteps, const std::string& text) {
  if (!names_sections(text) && !std::regex_match(text, std::regex("[0-9]{1,9}")))
    throw ConfigError(format_text(
        "--steps: '{}' is neither a number of steps nor one of OpenAI's forms, ddim50 or 10,15,20",
        shorten(text)));
  const std::vector<std::int64_t> counts = numbers_in(text);
  if (text.starts_with(kDdim)) return ddim_grid(timesteps, counts.front());
  const auto sections = std::ssize(counts);
  Grid grid;
  std::int64_t begin = 0;
  for (std::int64_t i = 0; i < sections; ++i) {
    const std::int64_t size = timesteps / sections + (i < timesteps % sections ? 1 : 0);
    const std::int64_t count = counts[static_cast<std::size_t>(i)];
    if (count > size)
      throw ConfigError(format_text(
          "--steps {}: {} of {} timesteps in section {}, which has only {}; its number must be at "
          "most {}",
          text, count, timesteps, i + 1, size, size));
    append_section(grid, begin, size, count);
    begin += size;
  }
  if (grid.empty()) throw ConfigError(format_text("--steps {}: these are no steps", text));
  std::ranges::reverse(grid);
  return grid;
}

}  // namespace ddpm
