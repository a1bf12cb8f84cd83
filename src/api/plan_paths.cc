// The files and directories of the host that a VM is shown or writes to.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>

#include "api/place.h"
#include "api/plan.h"

namespace cloche {
namespace {

constexpr size_t kMaxTag = 36;  // Virtio 1.2, 5.11.4.

// The guest mounts these itself, and nothing runs without them.
constexpr std::array<std::string_view, 3> kGuestsOwn{"/proc", "/sys", "/dev"};

// An absolute path of the guest without "." and doubled slashes.
Result<std::string> clean_guest_path(std::string_view field, const std::string& path) {
  auto bad = [&](std::string_view why) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} {}: {}", field, path, why));
  };
  if (path.empty() || path[0] != '/') return bad("the path in the guest must be absolute, beginning with /");
  if (path.size() >= PATH_MAX) return bad("longer than a path can be");
  std::string clean;
  for (size_t at = 0; at < path.size();) {
    size_t end = std::min(path.find('/', at), path.size());
    std::string_view part = std::string_view(path).substr(at, end - at);
    if (part == "..") return bad("must not contain ..");
    if (!part.empty() && part != ".") clean.append("/").append(part);
    at = end + 1;
  }
  return clean.empty() ? "/" : clean;
}

Result<void> check_guest_place(const std::string& path) {
  auto bad = [&](std::string_view why) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("share at {}: {}", path, why));
  };
  if (path == "/") return bad("the guest's root is set by --rootfs (Config::root), not by a share");
  for (std::string_view own : kGuestsOwn)
    if (path == own || path.starts_with(std::string(own) + "/")) return bad(fmt::format("{} is the guest's own", own));
  return {};
}

Result<std::vector<wire::VmIdRange>> plan_ids(const std::string& share, const std::vector<IdRange>& wanted) {
  std::vector<wire::VmIdRange> ranges;
  for (const IdRange& range : wanted) {
    // The last id, (uid_t)-1, is nobody's.
    bool fits = range.count > 0 && range.count <= UINT32_MAX - std::max(range.guest, range.host);
    if (!fits)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("share {}: {} ids from {} in the guest and {} on the host on are not ids", share,
                              range.count, range.guest, range.host));
    ranges.push_back({range.guest, range.host, range.count});
  }
  if (!ranges.empty() && ::geteuid() != 0)
    return fail(ErrorCode::kPermission, fmt::format("share {}: only root can map ids", share));
  return ranges;
}

Result<uint64_t> plan_quota(const std::string& share, std::string_view what, std::optional<uint64_t> limit) {
  if (limit && *limit > INT64_MAX)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("share {}: a quota of {} {} is more than any host has", share, *limit, what));
  return limit.value_or(wire::VmShare::kNoQuota);
}

Result<uint32_t> plan_timeout(const std::string& path, const Share& share) {
  if (!share.timeout) return wire::VmShare().timeout_ms;
  auto count = share.timeout->count();
  if (share.cache != ShareCache::kAuto)
    return fail(ErrorCode::kInvalidArgument, fmt::format("share {}: a timeout goes with cache=auto only", path));
  if (count < 0 || count > UINT32_MAX)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("share {}: a timeout of {} ms; it must be 0 to {}", path, count, UINT32_MAX));
  return static_cast<uint32_t>(count);
}

// What only the share's file system can tell, whether the directory is there, the VMM tells.
Result<std::vector<wire::VmInjectedFile>> plan_injected(const Place& place, const std::vector<InjectedFile>& wanted) {
  std::vector<wire::VmInjectedFile> files;
  for (const InjectedFile& file : wanted) {
    auto bad = [&](std::string_view why) {
      return fail(ErrorCode::kInvalidArgument, fmt::format("share {}: inject \"{}\": {}", place.path, file.path, why));
    };
    bool is_directory = file.kind == InjectedKind::kDirectory, once = file.lookups == InjectedLookups::kOne;
    std::string leaf = file.path.substr(file.path.rfind('/') + 1);  // npos + 1 is 0.
    if (!S_ISDIR(place.status.st_mode)) return bad("only a directory can be injected into");
    if (leaf.empty() || leaf == "." || leaf == "..") return bad("it names no file");
    if (file.path.contains('\0')) return bad("the name has a zero byte in it");
    if (file.path.size() >= PATH_MAX || leaf.size() > NAME_MAX) return bad("longer than a path can be");
    if (file.mode > 07777) return bad("its mode is more than permissions");
    if (is_directory && !file.contents.empty()) return bad("a directory has no contents");
    if (is_directory && once) return bad("only files can be there for one lookup");
    files.push_back({file.path, file.contents, is_directory, once, file.mode});
  }
  return files;
}

// The guest's kernel keeps 64 bytes of its memory for each page of a window: an eighth of it at most.
constexpr uint64_t kMostWindowPerMemory = 8;

Result<uint32_t> plan_dax(const std::string& path, const Share& share, const Plan& plan) {
  if (!share.dax_window_mib) return 0;
  uint32_t window_mib = *share.dax_window_mib;
  auto bad = [&](std::string_view why) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("share {}: a DAX window of {} MiB {}", path, window_mib, why));
  };
  if (window_mib == 0 || window_mib % 2 != 0) return bad("is not possible; it takes an even number");
  // What a guest writes into mapped holes takes space that no request asks for.
  if (share.quota_bytes || share.quota_inodes) return bad("and a quota do not go together");
  uint64_t total = window_mib + plan.vm.root_dax_window_mib, most = kMostWindowPerMemory * plan.vm.memory_mib;
  for (const wire::VmShare& other : plan.vm.shares) total += other.dax_window_mib;
  if (total > most)
    return bad(
        fmt::format("makes {} MiB in all; with {} MiB of memory {} MiB is the most", total, plan.vm.memory_mib, most));
  return window_mib;
}

Result<std::string> plan_guest_path(const Share& share, const Plan& plan) {
  std::string path = TRY(clean_guest_path("share", share.guest_path));
  TRY(check_guest_place(path));
  auto taken = [&](const wire::Mount& mount) { return mount.path == path; };
  if (std::ranges::any_of(plan.vm.start.mounts, taken))
    return fail(ErrorCode::kInvalidArgument, fmt::format("share at {}: two shares have this place in the guest", path));
  return path;
}

Result<std::string> plan_tag(const Share& share, const Plan& plan) {
  std::string tag = share.tag.empty() ? fmt::format("share{}", plan.vm.shares.size()) : share.tag;
  auto bad = [&](std::string_view why) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("share {}: tag {}: {}", share.host_path, tag, why));
  };
  if (tag.size() > kMaxTag || tag.contains('\0'))
    return bad(fmt::format("it must be text of {} bytes at most", kMaxTag));
  auto taken = [&](const wire::VmShare& other) { return other.tag == tag; };
  if (tag == plan.vm.root_tag || std::ranges::any_of(plan.vm.shares, taken)) return bad("another device has it");
  return tag;
}

// What is made of injected files alone is as a directory of that name.
Place empty_place(std::string name) {
  Place place{.path = std::move(name), .status = {}};
  place.status.st_mode = S_IFDIR | 0755;
  return place;
}

Result<Place> share_place(const Share& share, const std::string& tag) {
  if (share.source == ShareSource::kEmpty) {
    if (share.host_path.empty() && !share.dax_window_mib) return empty_place(tag);
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("share {}: without a directory it has no path on the host and no DAX window", tag));
  }
  Place place = TRY(find_place("share", share.host_path));
  if (!S_ISREG(place.status.st_mode) && !S_ISDIR(place.status.st_mode))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("share {}: neither a directory nor a regular file", place.path));
  TRY(check_readable("share", place));
  return place;
}

Result<void> plan_share(const Share& share, Plan& plan) {
  bool is_empty = share.source == ShareSource::kEmpty;
  if (!is_empty && share.host_path.empty())
    return fail(ErrorCode::kInvalidArgument, "share: the path on the host is empty");
  std::string guest_path;
  if (!plan.vm.boot.is_guests && (!share.guest_path.empty() || share.tag.empty()))
    guest_path = TRY(plan_guest_path(share, plan));
  std::string tag = TRY(plan_tag(share, plan));
  Place place = TRY(share_place(share, tag));
  bool is_file = S_ISREG(place.status.st_mode);
  bool read_only = is_empty || share.access == Access::kReadOnly;
  auto users = TRY(plan_ids(place.path, share.users)), groups = TRY(plan_ids(place.path, share.groups));
  uint32_t timeout_ms = TRY(plan_timeout(place.path, share));
  uint64_t bytes = TRY(plan_quota(place.path, "bytes", share.quota_bytes));
  uint64_t inodes = TRY(plan_quota(place.path, "inodes", share.quota_inodes));
  auto injected = TRY(plan_injected(place, share.injected));
  uint32_t dax_window_mib = TRY(plan_dax(place.path, share, plan));
  plan.vm.shares.push_back({.tag = tag,
                            .host_path = is_empty ? "" : place.path,
                            .read_only = read_only,
                            .is_file = is_file,
                            .cache = static_cast<uint8_t>(share.cache),
                            .timeout_ms = timeout_ms,
                            .allows_devices = share.device_nodes == DeviceNodes::kAllowed,
                            .enforces_acls = share.acls == ShareAcls::kEnforced,
                            .locks_on_host = share.locks == ShareLocks::kHost,
                            .quota_bytes = bytes,
                            .quota_inodes = inodes,
                            .users = std::move(users),
                            .groups = std::move(groups),
                            .injected = std::move(injected),
                            .dax_window_mib = dax_window_mib,
                            .is_empty = is_empty});
  if (!guest_path.empty()) plan.vm.start.mounts.push_back({tag, guest_path, read_only, is_file});
  return {};
}

Result<void> plan_empty_root(const Config& config, Plan& plan) {
  if (config.root.writes == Writes::kKept || config.root.dax_window_mib)
    return fail(ErrorCode::kInvalidArgument,
                "rootfs: what is written to an empty root cannot be kept, and it has no DAX window");
  plan.vm.root = wire::RootKind::kEmpty;
  plan.vm.root_injected = TRY(plan_injected(empty_place("of the root"), config.root.injected));
  return {};
}

}  // namespace

Result<void> plan_root(const Config& config, Plan& plan) {
  plan.vm.start.root_writes = static_cast<wire::RootWrites>(config.root.writes);
  if (config.root.source == RootSource::kDisk) {
    plan.vm.root = wire::RootKind::kDisk;
    return {};  // plan_disks() does the rest.
  }
  if (config.root.source == RootSource::kNone) {
    plan.vm.root = wire::RootKind::kNone;  // plan_boot() has looked whether that is possible.
    return {};
  }
  if (config.root.source == RootSource::kEmpty) return plan_empty_root(config, plan);
  if (config.root.source == RootSource::kHost) {
    if (config.root.writes == Writes::kKept || !config.root.injected.empty() || config.root.dax_window_mib)
      return fail(
          ErrorCode::kInvalidArgument,
          "rootfs: what is written to the host's programs cannot be kept, nothing is injected into them, and they "
          "have no DAX window; name a directory");
    plan.vm.root = wire::RootKind::kHost;
    return {};
  }
  if (config.root.path.empty()) return fail(ErrorCode::kInvalidArgument, "rootfs: the path is empty");
  Place place = TRY(find_place("rootfs", config.root.path));
  if (!S_ISDIR(place.status.st_mode))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("rootfs {}: not a directory; it must hold an unpacked Linux userland", place.path));
  TRY(check_readable("rootfs", place));
  plan.vm.root = wire::RootKind::kDirectory;
  plan.vm.root_path = place.path;
  plan.vm.root_injected = TRY(plan_injected(place, config.root.injected));
  plan.vm.root_dax_window_mib = TRY(plan_dax(place.path, {.dax_window_mib = config.root.dax_window_mib}, plan));
  return {};
}

Result<void> plan_shares(const Config& config, Plan& plan) {
  if (size_t count = config.shares.size() + config.disks.size(); count > kMaxDevices)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("shares and disks: {} are too many; a VM takes {}", count, kMaxDevices));
  for (const Share& share : config.shares) TRY(plan_share(share, plan));
  if (plan.vm.boot.is_guests) return {};
  std::string directory = TRY(clean_guest_path("working directory", config.working_directory));
  plan.vm.start.working_directory = std::move(directory);
  return {};
}

Result<void> plan_console(const Config& config, Plan& plan) {
  if (config.console_path.empty()) return {};
  const std::string& path = config.console_path;
  size_t slash = path.rfind('/');
  std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  std::string name = path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..")
    return fail(ErrorCode::kInvalidArgument, fmt::format("console {}: not the name of a file", path));
  auto found = find_place("console", directory);
  if (!found && found.error().code == ErrorCode::kNotFound)
    return fail(ErrorCode::kNotFound, fmt::format("console {}: there is no such directory on this host", path));
  std::string parent = TRY(std::move(found)).path;
  std::string whole = parent.ends_with('/') ? parent + name : parent + "/" + name;
  struct stat status{};
  bool exists = ::stat(whole.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode))
    return fail(ErrorCode::kInvalidArgument, fmt::format("console {}: is a directory; name a file", path));
  if (::access(exists ? whole.c_str() : parent.c_str(), W_OK) < 0)
    return fail(ErrorCode::kPermission, fmt::format("console {}: not writable for this user", path), errno);
  plan.vm.console_path = std::move(whole);
  return {};
}

}  // namespace cloche
