#include "api/pool_owner.h"

#include <fmt/format.h>

#include "base/private_files.h"
#include "cloche/pool.h"
#include "sandbox/home.h"
#include "sandbox/life.h"

namespace cloche {
namespace {

constexpr const char* kPools = "pools";
constexpr size_t kMostName = 48;  // A sandbox's name has a number behind it.

Result<void> remove_leftovers(const std::string& home, const std::string& name) {
  for (Sandbox& sandbox : TRY(list_sandboxes(home))) {
    auto info = sandbox.info();
    if (!info) continue;  // Removed meanwhile, or damaged: then nobody can tell whose it is.
    auto label = info->config.labels.find(kPoolLabel);
    if (label != info->config.labels.end() && label->second == name) TRY(end_sandbox(std::move(sandbox)));
  }
  return {};
}

}  // namespace

Result<std::string> PoolOwner::directory_of(const std::string& home, const std::string& name) {
  TRY(check_name(name));
  return TRY(sandbox::Home::open(home)).path() + "/" + kPools + "/" + name;
}

Result<void> PoolOwner::check_name(const std::string& name) {
  TRY(sandbox::check_name(name));
  if (name.size() <= kMostName) return {};
  return fail(ErrorCode::kInvalidArgument, fmt::format("name '{}': {} characters at most", name, kMostName));
}

Result<PoolOwner> PoolOwner::take(const std::string& home, const std::string& name) {
  std::string directory = TRY(directory_of(home, name));
  TRY(private_directory(directory.substr(0, directory.rfind('/'))));
  TRY(private_directory(directory));
  auto lock = sandbox::take_life(directory);
  if (!lock && lock.error().code == ErrorCode::kUnavailable)
    return fail(ErrorCode::kInvalidArgument, "there is one of this name already");
  if (!lock) return std::unexpected(std::move(lock).error());
  if (auto removed = remove_leftovers(home, name); !removed)
    return std::unexpected(std::move(removed).error().in("remove what was left behind"));
  return PoolOwner(std::move(directory), std::move(*lock));
}

Result<void> end_sandbox(Sandbox sandbox) {
  auto killed = sandbox.kill();
  auto removed = killed ? sandbox.remove() : killed;
  if (!removed && removed.error().code == ErrorCode::kNotFound) return {};
  return removed;
}

Result<Sandbox> make_running_sandbox(SandboxConfig config, const std::string& home,
                                     std::chrono::milliseconds deadline) {
  Sandbox sandbox = TRY(Sandbox::create(std::move(config), home));
  auto started = sandbox.start(deadline);
  if (started) return sandbox;
  if (auto ended = end_sandbox(sandbox); !ended)
    started.error().what += "; and it cannot be removed: " + ended.error().message();
  return std::unexpected(std::move(started).error());
}

}  // namespace cloche
