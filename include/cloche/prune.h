// Removing the sandboxes that nobody needs any more.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cloche/result.h"

namespace cloche {

// Which of the sandboxes that do not run; all conditions count.
struct PruneFilter {
  // Those with all these labels; without a value, whatever value it has.
  std::map<std::string, std::optional<std::string>> labels{};
  // Those made before, as SandboxInfo::created_ns.
  std::optional<uint64_t> created_before_ns{};
};

struct PrunedSandbox {
  std::string id{}, name{};
  uint64_t bytes = 0;  // What its directory took of the disk.
};

struct PruneReport {
  std::vector<PrunedSandbox> removed{};
  uint64_t bytes = 0;           // Of all of them.
  std::vector<Error> failed{};  // Why others could not be removed.
};

// Removes them, oldest first. One that is started meanwhile stays.
Result<PruneReport> prune_sandboxes(const PruneFilter& filter = {}, const std::string& home = {});

}  // namespace cloche
