#include "cloche/prune.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "api/sandbox_place.h"

namespace cloche {
namespace {

constexpr uint64_t kBlock = 512;  // Of st_blocks, on any file system.

uint64_t bytes_on_disk(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 ? static_cast<uint64_t>(status.st_blocks) * kBlock : 0;
}

// Of a directory and all in it; what goes meanwhile counts nothing.
uint64_t tree_bytes(const std::string& directory) {
  uint64_t bytes = bytes_on_disk(directory);
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error))
    bytes += bytes_on_disk(at->path());
  return bytes;
}

bool is_meant(const SandboxInfo& info, const PruneFilter& filter) {
  if (sandbox::is_live(info.status)) return false;
  if (filter.created_before_ns && info.created_ns >= *filter.created_before_ns) return false;
  return std::ranges::all_of(filter.labels, [&](const auto& wanted) {
    auto label = info.config.labels.find(wanted.first);
    return label != info.config.labels.end() && (!wanted.second || label->second == *wanted.second);
  });
}

// Whether it is gone by our doing.
Result<std::optional<PrunedSandbox>> prune(Sandbox& sandbox, const PruneFilter& filter) {
  SandboxPlace place = TRY(SandboxPlace::of(sandbox));
  if (!is_meant(place.info, filter)) return std::nullopt;
  PrunedSandbox pruned{.id = place.info.id, .name = place.info.name, .bytes = tree_bytes(place.directory())};
  auto removed = sandbox.remove();
  if (removed) return pruned;
  // It was started, or somebody else was faster.
  if (removed.error().code == ErrorCode::kInvalidArgument) return std::nullopt;
  return std::unexpected(std::move(removed).error());
}

}  // namespace

Result<PruneReport> prune_sandboxes(const PruneFilter& filter, const std::string& home) {
  PruneReport report;
  for (Sandbox& sandbox : TRY(list_sandboxes(home))) {
    auto pruned = prune(sandbox, filter);
    if (!pruned && pruned.error().code != ErrorCode::kNotFound) report.failed.push_back(std::move(pruned).error());
    if (!pruned || !*pruned) continue;
    report.bytes += (*pruned)->bytes;
    report.removed.push_back(std::move(**pruned));
  }
  return report;
}

}  // namespace cloche
