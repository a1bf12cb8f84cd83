// Resource limits, by the names that limits.conf(5) and Docker give them.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "api/plan.h"

namespace cloche {
namespace {

struct Resource {
  std::string_view name;
  uint32_t number;  // RLIMIT_* of x86_64 Linux (asm-generic/resource.h).
};
constexpr std::array<Resource, 16> kResources{{{"cpu", 0},
                                               {"fsize", 1},
                                               {"data", 2},
                                               {"stack", 3},
                                               {"core", 4},
                                               {"rss", 5},
                                               {"nproc", 6},
                                               {"nofile", 7},
                                               {"memlock", 8},
                                               {"as", 9},
                                               {"locks", 10},
                                               {"sigpending", 11},
                                               {"msgqueue", 12},
                                               {"nice", 13},
                                               {"rtprio", 14},
                                               {"rttime", 15}}};
constexpr uint32_t kNofile = 7;
constexpr uint64_t kMostOpenFiles = 1 << 20;  // fs.nr_open of Linux: setrlimit refuses more.

std::string known_names() {
  std::string names;
  for (const Resource& resource : kResources) names.append(names.empty() ? "" : ", ").append(resource.name);
  return names;
}

}  // namespace

Result<void> plan_limits(const Config& config, Plan& plan) {
  for (const Limit& limit : config.limits) {
    auto bad = [&](std::string_view why) {
      return fail(ErrorCode::kInvalidArgument, fmt::format("limit {}: {}", limit.resource, why));
    };
    auto found = std::ranges::find(kResources, std::string_view(limit.resource), &Resource::name);
    if (found == kResources.end()) return bad("no such resource; there are " + known_names());
    if (limit.soft > limit.hard)
      return bad(fmt::format("the soft limit {} is above the hard one {}", limit.soft, limit.hard));
    if (found->number == kNofile && limit.hard > kMostOpenFiles)
      return bad(fmt::format("{} is the most that Linux takes", kMostOpenFiles));
    plan.vm.start.limits.push_back({found->number, limit.soft, limit.hard});
  }
  return {};
}

}  // namespace cloche
