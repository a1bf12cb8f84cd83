#include "krun/plan.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "cloche/foreground.h"
#include "krun/config_file.h"
#include "krun/environment.h"
#include "krun/fit.h"
#include "krun/held.h"
#include "krun/log.h"
#include "krun/plan_boot.h"
#include "krun/plan_consoles.h"
#include "libkrun.h"

namespace cloche::krun {
namespace {

constexpr uint64_t kWindowStep = 2 << 20;  // Config's windows are a multiple of this.

std::optional<uint32_t> window_of(const FileSystem& from) {
  if (from.window_bytes == 0 || !from.path) return std::nullopt;
  uint64_t steps = from.window_bytes / kWindowStep + (from.window_bytes % kWindowStep != 0 ? 1 : 0);
  return static_cast<uint32_t>(std::min<uint64_t>(steps * (kWindowStep >> 20), UINT32_MAX - 1));
}

std::vector<InjectedFile> injected_of(const FileSystem& from) {
  std::vector<InjectedFile> files;
  for (const Overlay& overlay : from.overlays) {
    InjectedFile file{.path = overlay.path, .mode = overlay.mode & 07777};
    if (overlay.is_directory) file.kind = InjectedKind::kDirectory;
    if (overlay.one_shot) file.lookups = InjectedLookups::kOne;
    if (overlay.size > 0) file.contents.assign(reinterpret_cast<const char*>(overlay.data), overlay.size);
    files.push_back(std::move(file));
  }
  return files;
}

bool is_read_only(const Context& context, uint32_t disk) {
  return disk < context.disks.size() && context.disks[disk].access == Access::kReadOnly;
}

Result<void> plan_file_systems(const Context& context, Config& config) {
  bool has_root = false;
  bool is_guests = config.first_program == FirstProgram::kGuests;
  for (const FileSystem& from : context.file_systems) {
    bool is_root = from.tag == KRUN_FS_ROOT_TAG;
    if (is_root && context.root_disk && !is_guests) continue;  // It is for a first program that looks for the disk.
    if (is_root) {
      has_root = true;
      config.root = {.source = from.path ? RootSource::kDirectory : RootSource::kEmpty,
                     .path = from.path.value_or(""),
                     .writes = from.read_only || !from.path ? Writes::kRefused : Writes::kKept,
                     .injected = injected_of(from),
                     .dax_window_mib = window_of(from)};
      continue;
    }
    config.shares.push_back({.host_path = from.path.value_or(""),
                             .access = from.read_only ? Access::kReadOnly : Access::kReadWrite,
                             .injected = injected_of(from),
                             .dax_window_mib = window_of(from),
                             .tag = from.tag,
                             .source = from.path ? ShareSource::kHost : ShareSource::kEmpty});
  }
  if (is_guests) {
    if (!has_root) config.root = {.source = RootSource::kNone};
    return {};
  }
  if (context.root_disk) {
    config.root = {.source = RootSource::kDisk,
                   .writes = is_read_only(context, context.root_disk->number) ? Writes::kRefused : Writes::kKept,
                   .disk = context.root_disk->number,
                   .file_system = context.root_disk->file_system,
                   .mount_options = context.root_disk->mount_options};
    has_root = true;
  }
  if (!has_root) return fail(ErrorCode::kInvalidArgument, "no root file system: krun_set_root() names one", EINVAL);
  return {};
}

// The old calls count where the new ones were not used.
void plan_disks(const Context& context, Config& config) {
  config.disks = context.disks;
  if (!config.disks.empty()) return;
  for (const std::string& path : {context.old_root_disk, context.old_data_disk})
    if (!path.empty()) config.disks.push_back({.path = path, .format = DiskFormat::kRaw});
}

// What a container runtime says in a file instead of in words.
void plan_command(const Context& context, Config& config) {
  for (const std::string& variable : context.environment.value_or(std::vector<std::string>()))
    set_variable(config.environment, variable);
  std::string named = value_of(config.environment, "KRUN_CONFIG");
  std::optional<ConfiguredProcess> file;  // On a disk only the guest could read it.
  if (config.root.source == RootSource::kDirectory)
    file = read_config(config.root.path, named.empty() ? kConfigFile : named);
  ConfiguredProcess configured = file.value_or(ConfiguredProcess());
  add_configured(config.environment, configured.environment);
  if (context.program) {
    config.arguments = {*context.program};
    std::ranges::copy(context.arguments, std::back_inserter(config.arguments));
  } else {
    config.arguments = configured.arguments.empty() ? std::vector<std::string>{kShell} : configured.arguments;
  }
  config.working_directory = context.working_directory.value_or(configured.working_directory);
  config.limits = context.limits;
  config.hostname = value_of(config.environment, "HOSTNAME");
  fit_command(config);
}

bool has_passt() {
  const char* path = std::getenv("PATH");
  std::string places = std::string(path == nullptr ? "" : path) + ":/usr/local/bin:/usr/bin";
  for (size_t at = 0; at < places.size();) {
    size_t end = std::min(places.find(':', at), places.size());
    if (places[at] == '/' && ::access((places.substr(at, end - at) + "/passt").c_str(), X_OK) == 0) return true;
    at = end + 1;
  }
  return false;
}

// Whether this host reaches anything itself, which passt insists on: a route to everywhere (proc(5), /proc/net/route).
bool has_route() {
  std::ifstream routes("/proc/net/route");
  std::string line, interface, destination;
  while (std::getline(routes, line))
    if (std::istringstream(line) >> interface >> destination && destination == "00000000") return true;
  return false;
}

// As libkrun has it: the host's own loopback and, where asked for, all its UNIX sockets are the guest's too.
Tsi tsi_of(const Context& context, bool wants_inet, bool wants_unix) {
  Tsi tsi{.inet = wants_inet ? TsiInet::kOn : TsiInet::kOff, .loopback = TsiLoopback::kAllowed};
  tsi.listeners = context.port_map ? TsiListeners::kPublished : TsiListeners::kAll;
  if (wants_inet) tsi.ports = context.port_map.value_or(std::vector<PublishedPort>());
  if (wants_unix) tsi.unix_directories = {"/"};
  return tsi;
}

// Where a program says nothing of networks, a guest of libkrun's reaches what its host does.
void plan_ways_out(const Context& context, Config& config) {
  bool has_vsock = context.vsock != VsockChoice::kDisabled;
  if (has_vsock) config.vsock_ports = context.ports;
  config.networks = context.networks;
  if (context.old_network) {
    config.networks.push_back(*context.old_network);
    config.networks.back().mac = context.old_mac.value_or(std::array<uint8_t, 6>{0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xee});
  }
  uint32_t features = has_vsock ? context.tsi_features : 0;
  bool wants_inet = (features & KRUN_TSI_HIJACK_INET) != 0;
  if (context.vsock == VsockChoice::kImplicit) wants_inet = config.networks.empty();
  bool wants_unix = (features & KRUN_TSI_HIJACK_UNIX) != 0;
  // libkrunfw's kernel gives a guest its host's sockets; with any other a network does as well as it can.
  if (config.kernel_image) {
    if (wants_inet || wants_unix) config.tsi = tsi_of(context, wants_inet, wants_unix);
    return;
  }
  if (wants_unix) write_log(Verbosity::kWarning, "UNIX sockets stay within the guest: its kernel is not libkrunfw's");
  if (!config.networks.empty() || !wants_inet) return;
  if (!has_own_root())
    write_log(Verbosity::kWarning, "the guest has no network: passt would be started from a root directory of others");
  else if (!has_route())
    write_log(Verbosity::kWarning, "the guest has no network: this host has no route to one");
  else if (has_passt())
    config.networks.push_back({.ports = context.port_map.value_or(std::vector<PublishedPort>())});
  else
    write_log(Verbosity::kWarning, "the guest has no network: passt is not installed");
}

}  // namespace

Result<Config> plan(const Context& context) {
  Config config{.cpus = context.cpus, .memory_mib = context.memory_mib};
  auto planned = plan_boot(context, config);
  if (planned) planned = plan_file_systems(context, config);
  if (planned) planned = plan_consoles(context, config);
  if (!planned) return std::unexpected(std::move(planned).error());
  plan_disks(context, config);
  config.vhost_user = context.vhost_user;
  plan_ways_out(context, config);
  fit_size(config);
  if (config.first_program == FirstProgram::kCloche)
    plan_command(context, config);
  else if (planned = plan_guests_command_line(context, config); !planned)
    return std::unexpected(std::move(planned).error());
  auto held = held_installation();
  if (!held) return std::unexpected(std::move(held).error());
  config.held = std::move(*held);
  config.verbosity = log_verbosity();
  config.log = write_log;
  return config;
}

}  // namespace cloche::krun
