#include "vmm/build_config.h"

#include <fcntl.h>
#include <unistd.h>

#include "devices/block/image.h"
#include "machine/host_root.h"
#include "vmm/open_consoles.h"
#include "vmm/open_tsi.h"
#include "vmm/open_vhost_user.h"

namespace cloche {
namespace {

Result<fs::Node> open_share(const wire::VmShare& share) {
  if (share.is_empty) return fs::Node::directory({});
  Fd fd = TRY(open_file(share.host_path, O_PATH));
  if (!share.is_file) return fs::Node::host(std::move(fd));
  std::vector<std::pair<std::string, fs::Node>> only;
  only.emplace_back(wire::kSingleFileName, fs::Node::host(std::move(fd)));
  return fs::Node::directory(std::move(only));
}

// For a caller who is not root the host keeps no other ids apart than his: all that is his belongs to `user` in the
// guest, and all that is made there is his.
fs::IdMap map_caller(uint32_t caller, uint32_t user) {
  if (::geteuid() == 0) return {};
  return fs::IdMap({{.guest = user, .host = caller}}, fs::IdMap::Others::kSame);
}

fs::IdMap map_of(const std::vector<wire::VmIdRange>& wanted, uint32_t caller, uint32_t user) {
  if (wanted.empty()) return map_caller(caller, user);
  std::vector<fs::IdMap::Range> ranges;
  ranges.reserve(wanted.size());
  for (const wire::VmIdRange& range : wanted) ranges.push_back({range.guest, range.host, range.count});
  return fs::IdMap(std::move(ranges), fs::IdMap::Others::kUnknown);
}

std::optional<uint64_t> limit_of(uint64_t quota) {
  return quota == wire::VmShare::kNoQuota ? std::nullopt : std::optional(quota);
}

std::vector<fs::Injection> injections_of(const std::vector<wire::VmInjectedFile>& files) {
  using fs::Injection;
  std::vector<Injection> injections;
  for (const wire::VmInjectedFile& file : files) {
    injections.push_back({.path = file.path,
                          .kind = file.is_directory ? Injection::Kind::kDirectory : Injection::Kind::kFile,
                          .contents = file.contents,
                          .mode = file.mode,
                          .lookups = file.once ? Injection::Lookups::kOne : Injection::Lookups::kAny});
  }
  return injections;
}

// Whose files those of a caller who is not root are: the command's.
struct Ids {
  uint32_t user = 0, group = 0;
};

Ids command_ids(const wire::VmConfig& config) {
  if (config.sandbox.id.empty()) return {config.start.uid, config.start.gid};
  return {config.sandbox.command.uid, config.sandbox.command.gid};
}

fs::Options share_options(const wire::VmShare& share, Ids ids) {
  return {.tag = share.tag,
          .read_only = share.read_only,
          .cache = static_cast<fs::Cache>(share.cache),
          .entry_timeout = std::chrono::milliseconds(share.timeout_ms),
          .attribute_timeout = std::chrono::milliseconds(share.timeout_ms),
          .device_nodes = share.allows_devices ? fs::DeviceNodes::kAllowed : fs::DeviceNodes::kRefused,
          .acls = share.enforces_acls ? fs::Acls::kEnforced : fs::Acls::kIgnored,
          .locks = share.locks_on_host ? fs::LockScope::kHost : fs::LockScope::kGuest,
          .users = map_of(share.users, ::geteuid(), ids.user),
          .groups = map_of(share.groups, ::getegid(), ids.group),
          .quota = {.bytes = limit_of(share.quota_bytes), .inodes = limit_of(share.quota_inodes)},
          .injected = injections_of(share.injected),
          .dax_window_bytes = uint64_t{share.dax_window_mib} << 20};
}

Result<MachineShare> open_root(const wire::VmConfig& config) {
  // Nobody is expected to change a root file system under a running guest, but through that guest.
  bool kept = config.start.root_writes == wire::RootWrites::kKept;
  fs::Options options{.tag = config.root_tag,
                      .read_only = !kept,
                      .cache = kept ? fs::Cache::kAuto : fs::Cache::kAlways,
                      .injected = injections_of(config.root_injected),
                      .dax_window_bytes = uint64_t{config.root_dax_window_mib} << 20};
  bool tells_exit = config.boot.is_guests;
  if (config.root == wire::RootKind::kEmpty)
    return MachineShare{std::move(options), fs::Node::directory({}), tells_exit};
  if (config.root == wire::RootKind::kHost) return MachineShare{std::move(options), TRY(make_host_root())};
  Fd directory = TRY(open_file(config.root_path, O_PATH | O_DIRECTORY));
  options.users = map_caller(::geteuid(), 0);
  options.groups = map_caller(::getegid(), 0);
  return MachineShare{std::move(options), fs::Node::host(std::move(directory)), tells_exit};
}

bool has_root_share(const wire::VmConfig& config) {
  return config.root != wire::RootKind::kDisk && config.root != wire::RootKind::kNone;
}

MachineBoot boot_of(wire::VmBoot boot) {
  MachineBoot machine{.into = boot.is_guests ? MachineBoot::Into::kGuests : MachineBoot::Into::kCloche,
                      .kernel_format = static_cast<boot::FileFormat>(boot.kernel_format),
                      .oem_strings = std::move(boot.oem_strings),
                      .initramfs_path = std::move(boot.initramfs_path),
                      .firmware_path = std::move(boot.firmware_path)};
  if (boot.has_command_line) machine.command_line = std::move(boot.command_line);
  if (boot.shows_nested_vms) machine.nested_vms = x86_64::NestedVms::kShown;
  return machine;
}

Result<MachineDisk> open_disk(const wire::VmDisk& disk) {
  block::ImageOptions options{.path = disk.path,
                              .format = static_cast<block::Format>(disk.format),
                              .file = {.writing = disk.read_only ? block::Writing::kRefused : block::Writing::kAllowed,
                                       .cache = disk.direct ? block::HostCache::kBypassed : block::HostCache::kUsed,
                                       .sync = static_cast<block::Sync>(disk.sync)},
                              .backing_path = disk.backing_path,
                              .backing_format = static_cast<block::Format>(disk.backing_format)};
  auto image = block::open_image(options);
  if (!image) return std::unexpected(std::move(image).error().in("disk"));
  return MachineDisk{{.name = disk.path,
                      .read_only = disk.read_only,
                      .flushes = options.file.sync != block::Sync::kNone,
                      .serial = disk.serial},
                     std::move(*image)};
}

}  // namespace

Result<MachineConfig> build_config(wire::VmConfig config, Log log, Companions& companions) {
  MachineConfig machine;
  machine.cpus = config.cpus;
  machine.memory_mib = config.memory_mib;
  machine.kernel_path = std::move(config.kernel_path);
  machine.init_path = std::move(config.init_path);
  machine.agent_path = std::move(config.agent_path);
  machine.bundle_reader_path = std::move(config.bundle_reader_path);
  machine.extra_command_line = std::move(config.extra_command_line);
  if (has_root_share(config)) machine.shares.push_back(TRY(open_root(config)));
  machine.boot = boot_of(std::move(config.boot));
  for (const wire::VmShare& share : config.shares) {
    machine.shares.push_back({share_options(share, command_ids(config)), TRY(open_share(share))});
  }
  for (const wire::VmDisk& disk : config.disks) machine.disks.push_back(TRY(open_disk(disk)));
  machine.networks = TRY(open_networks(config, companions));
  machine.tsi = TRY(open_tsi(config.tsi));
  machine.consoles = TRY(open_consoles(config.consoles));
  machine.vhost_user = TRY(open_vhost_user(config.vhost_user));
  if (!config.console_path.empty())
    machine.console = TRY(open_file(config.console_path, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY, 0644));
  machine.start = std::move(config.start);
  if (has_root_share(config)) machine.start.root_tag = config.root_tag;
  machine.start.has_stdin = config.has_input;
  if (config.has_input) machine.input = Fd(STDIN_FILENO);
  machine.output = Fd(STDOUT_FILENO);
  machine.error = Fd(STDERR_FILENO);
  if (config.timeout_ms != 0) machine.timeout = std::chrono::milliseconds(config.timeout_ms);
  machine.log = std::move(log);
  return machine;
}

}  // namespace cloche
