#include "wire/vmm.h"

#include <algorithm>

namespace cloche::wire {
namespace {

constexpr uint8_t kMaxCache = 2;   // Cache::kAlways.
constexpr uint8_t kMaxFormat = 2;  // Format::kVmdk.
constexpr uint8_t kMaxSync = 2;    // Sync::kFull.

// A Start or Exited inside another message: its own frame's payload, counted.
template <typename Message>
void put_message(Writer& to, const Message& message) {
  std::vector<std::byte> whole = encode(message);
  std::span<const std::byte> payload = std::span(whole).subspan(FrameHeader::kSize);
  to.put(std::string_view(reinterpret_cast<const char*>(payload.data()), payload.size()));
}

template <typename Message>
bool get_message(Reader& from, Message& message) {
  std::string payload;
  from.get(payload);
  return from.ok() && decode(std::as_bytes(std::span(payload)), message);
}

void put_flag(Writer& to, bool value) { to.put(static_cast<uint8_t>(value)); }

bool get_flag(Reader& from) {
  uint8_t raw = 0;
  from.get(raw);
  return raw != 0;
}

template <typename Item, typename Put>
void put_list(Writer& to, const std::vector<Item>& items, Put put) {
  to.put(static_cast<uint32_t>(items.size()));
  for (const Item& each : items) put(each);
}

// Each item takes at least `least_size` bytes.
template <typename Item, typename Get>
void get_list(Reader& from, std::vector<Item>& items, size_t least_size, Get get) {
  items.resize(from.count(least_size));
  for (Item& each : items) get(each);
}

void put_ranges(Writer& to, const std::vector<VmIdRange>& ranges) {
  put_list(to, ranges, [&](const VmIdRange& range) {
    to.put(range.guest);
    to.put(range.host);
    to.put(range.count);
  });
}

void get_ranges(Reader& from, std::vector<VmIdRange>& ranges) {
  get_list(from, ranges, 3 * sizeof(uint32_t), [&](VmIdRange& range) {
    from.get(range.guest);
    from.get(range.host);
    from.get(range.count);
  });
}

void put_text(Writer& to, const std::string& text) { to.put(std::string_view(text)); }

void put_injected(Writer& to, const std::vector<VmInjectedFile>& files) {
  put_list(to, files, [&](const VmInjectedFile& file) {
    put_text(to, file.path);
    put_text(to, file.contents);
    put_flag(to, file.is_directory);
    put_flag(to, file.once);
    to.put(file.mode);
  });
}

void get_injected(Reader& from, std::vector<VmInjectedFile>& files) {
  get_list(from, files, 14, [&](VmInjectedFile& file) {
    from.get(file.path);
    from.get(file.contents);
    file.is_directory = get_flag(from);
    file.once = get_flag(from);
    from.get(file.mode);
  });
}

void put_ports(Writer& to, const std::vector<VmVsockPort>& ports) {
  put_list(to, ports, [&](const VmVsockPort& port) {
    to.put(port.port);
    put_text(to, port.socket_path);
    put_flag(to, port.listens);
  });
}

void get_ports(Reader& from, std::vector<VmVsockPort>& ports) {
  get_list(from, ports, 9, [&](VmVsockPort& port) {
    from.get(port.port);
    from.get(port.socket_path);
    port.listens = get_flag(from);
  });
}

void put_networks(Writer& to, const std::vector<VmNetwork>& networks) {
  put_list(to, networks, [&](const VmNetwork& network) {
    to.put(network.kind);
    put_text(to, network.path);
    to.put(network.fd);
    put_flag(to, network.greets);
    to.put(network.arguments);
    for (uint8_t byte : network.mac) to.put(byte);
    to.put(network.offloads);
    to.put(network.mtu);
  });
}

bool get_networks(Reader& from, std::vector<VmNetwork>& networks) {
  get_list(from, networks, 30, [&](VmNetwork& network) {
    from.get(network.kind);
    from.get(network.path);
    from.get(network.fd);
    network.greets = get_flag(from);
    from.get(network.arguments);
    for (uint8_t& byte : network.mac) from.get(byte);
    from.get(network.offloads);
    from.get(network.mtu);
  });
  return std::ranges::all_of(networks, [](const VmNetwork& each) { return each.kind <= VmNetworkKind::kTap; });
}

void put_tsi(Writer& to, const VmTsi& tsi) {
  put_flag(to, tsi.is_on);
  if (!tsi.is_on) return;
  put_flag(to, tsi.has_inet);
  put_flag(to, tsi.reaches_loopback);
  put_flag(to, tsi.publishes_all);
  put_list(to, tsi.ports, [&](const VmTsiPort& port) {
    put_text(to, port.address);
    to.put(port.host_port);
    to.put(port.guest_port);
  });
  to.put(tsi.unix_directories);
}

void get_tsi(Reader& from, VmTsi& tsi) {
  tsi.is_on = get_flag(from);
  if (!tsi.is_on) return;
  tsi.has_inet = get_flag(from);
  tsi.reaches_loopback = get_flag(from);
  tsi.publishes_all = get_flag(from);
  get_list(from, tsi.ports, 8, [&](VmTsiPort& port) {
    from.get(port.address);
    from.get(port.host_port);
    from.get(port.guest_port);
  });
  from.get(tsi.unix_directories);
}

void put_consoles(Writer& to, const std::vector<VmConsole>& consoles) {
  put_list(to, consoles, [&](const VmConsole& console) {
    put_flag(to, console.is_serial);
    put_list(to, console.ports, [&](const VmConsolePort& port) {
      put_text(to, port.name);
      put_flag(to, port.is_terminal);
      to.put(port.input);
      to.put(port.output);
    });
  });
}

void get_consoles(Reader& from, std::vector<VmConsole>& consoles) {
  get_list(from, consoles, 5, [&](VmConsole& console) {
    console.is_serial = get_flag(from);
    get_list(from, console.ports, 13, [&](VmConsolePort& port) {
      from.get(port.name);
      port.is_terminal = get_flag(from);
      from.get(port.input);
      from.get(port.output);
    });
  });
}

void put_vhost_user(Writer& to, const std::vector<VmVhostUser>& devices) {
  put_list(to, devices, [&](const VmVhostUser& device) {
    to.put(device.type);
    put_text(to, device.socket_path);
    put_text(to, device.name);
    to.put(device.queues);
    put_list(to, device.queue_sizes, [&](uint16_t size) { to.put(size); });
  });
}

void get_vhost_user(Reader& from, std::vector<VmVhostUser>& devices) {
  get_list(from, devices, 20, [&](VmVhostUser& device) {
    from.get(device.type);
    from.get(device.socket_path);
    from.get(device.name);
    from.get(device.queues);
    get_list(from, device.queue_sizes, sizeof(uint16_t), [&](uint16_t& size) { from.get(size); });
  });
}

void put_shares(Writer& to, const std::vector<VmShare>& shares) {
  put_list(to, shares, [&](const VmShare& share) {
    put_text(to, share.tag);
    put_text(to, share.host_path);
    put_flag(to, share.read_only);
    put_flag(to, share.is_file);
    to.put(share.cache);
    to.put(share.timeout_ms);
    put_flag(to, share.allows_devices);
    put_flag(to, share.enforces_acls);
    put_flag(to, share.locks_on_host);
    to.put(share.quota_bytes);
    to.put(share.quota_inodes);
    put_ranges(to, share.users);
    put_ranges(to, share.groups);
    put_injected(to, share.injected);
    to.put(share.dax_window_mib);
    put_flag(to, share.is_empty);
  });
}

bool get_shares(Reader& from, std::vector<VmShare>& shares) {
  get_list(from, shares, 51, [&](VmShare& share) {
    from.get(share.tag);
    from.get(share.host_path);
    share.read_only = get_flag(from);
    share.is_file = get_flag(from);
    from.get(share.cache);
    from.get(share.timeout_ms);
    share.allows_devices = get_flag(from);
    share.enforces_acls = get_flag(from);
    share.locks_on_host = get_flag(from);
    from.get(share.quota_bytes);
    from.get(share.quota_inodes);
    get_ranges(from, share.users);
    get_ranges(from, share.groups);
    get_injected(from, share.injected);
    from.get(share.dax_window_mib);
    share.is_empty = get_flag(from);
  });
  return std::ranges::all_of(shares, [](const VmShare& share) { return share.cache <= kMaxCache; });
}

void put_disks(Writer& to, const std::vector<VmDisk>& disks) {
  put_list(to, disks, [&](const VmDisk& disk) {
    put_text(to, disk.path);
    to.put(disk.format);
    put_flag(to, disk.read_only);
    to.put(disk.sync);
    put_flag(to, disk.direct);
    put_text(to, disk.serial);
    put_text(to, disk.backing_path);
    to.put(disk.backing_format);
  });
}

bool get_disks(Reader& from, std::vector<VmDisk>& disks) {
  get_list(from, disks, 17, [&](VmDisk& disk) {
    from.get(disk.path);
    from.get(disk.format);
    disk.read_only = get_flag(from);
    from.get(disk.sync);
    disk.direct = get_flag(from);
    from.get(disk.serial);
    from.get(disk.backing_path);
    from.get(disk.backing_format);
  });
  return std::ranges::all_of(disks, [](const VmDisk& disk) {
    return disk.format <= kMaxFormat && disk.backing_format <= kMaxFormat && disk.sync <= kMaxSync;
  });
}

void put_exec(Writer& to, const Exec& command) {
  std::vector<std::byte> whole = encode(AgentFrame::kExec, command);
  std::span<const std::byte> payload = std::span(whole).subspan(FrameHeader::kSize);
  to.put(std::string_view(reinterpret_cast<const char*>(payload.data()), payload.size()));
}

bool get_exec(Reader& from, Exec& command) {
  std::string payload;
  from.get(payload);
  return from.ok() && decode_message(std::as_bytes(std::span(payload)), command);
}

void put_upkeep(Writer& to, const VmSandbox& sandbox) {
  const auto& [when, most, count, pause_ms, life_fd] = sandbox.restart;
  to.put(when);
  to.put(most);
  to.put(count);
  to.put(pause_ms);
  to.put(life_fd);
  bool has_checks = !sandbox.health.command.arguments.empty();
  put_flag(to, has_checks);
  if (has_checks) put_exec(to, sandbox.health.command);
  to.put(sandbox.health.interval_ms);
  to.put(sandbox.health.start_period_ms);
  to.put(sandbox.health.retries);
  to.put(sandbox.limits.cpu_thousandths);
  to.put(sandbox.limits.memory_bytes);
  to.put(sandbox.limits.processes);
}

bool get_upkeep(Reader& from, VmSandbox& sandbox) {
  auto& [when, most, count, pause_ms, life_fd] = sandbox.restart;
  from.get(when);
  from.get(most);
  from.get(count);
  from.get(pause_ms);
  from.get(life_fd);
  if (get_flag(from) && !get_exec(from, sandbox.health.command)) return false;
  from.get(sandbox.health.interval_ms);
  from.get(sandbox.health.start_period_ms);
  from.get(sandbox.health.retries);
  from.get(sandbox.limits.cpu_thousandths);
  from.get(sandbox.limits.memory_bytes);
  from.get(sandbox.limits.processes);
  return from.ok() && when <= VmRestartWhen::kAlways;
}

void put_sandbox(Writer& to, const VmSandbox& sandbox) {
  put_text(to, sandbox.id);
  if (sandbox.id.empty()) return;
  put_text(to, sandbox.directory);
  put_text(to, sandbox.run_directory);
  put_text(to, sandbox.home);
  put_flag(to, sandbox.has_command);
  put_exec(to, sandbox.command);
  to.put(sandbox.stop_grace_ms);
  to.put(sandbox.idle_timeout_ms);
  to.put(sandbox.log_bytes);
  to.put(sandbox.log_files);
  put_text(to, sandbox.kelpie.socket_path);
  put_flag(to, sandbox.kelpie.listens);
  put_flag(to, sandbox.kelpie.by_command);
  put_upkeep(to, sandbox);
}

bool get_sandbox(Reader& from, VmSandbox& sandbox) {
  from.get(sandbox.id);
  if (sandbox.id.empty()) return from.ok();
  from.get(sandbox.directory);
  from.get(sandbox.run_directory);
  from.get(sandbox.home);
  sandbox.has_command = get_flag(from);
  if (!get_exec(from, sandbox.command)) return false;
  from.get(sandbox.stop_grace_ms);
  from.get(sandbox.idle_timeout_ms);
  from.get(sandbox.log_bytes);
  from.get(sandbox.log_files);
  from.get(sandbox.kelpie.socket_path);
  sandbox.kelpie.listens = get_flag(from);
  sandbox.kelpie.by_command = get_flag(from);
  return get_upkeep(from, sandbox);
}

void put_boot(Writer& to, const VmBoot& boot) {
  put_flag(to, boot.is_guests);
  to.put(boot.kernel_format);
  put_text(to, boot.initramfs_path);
  put_text(to, boot.firmware_path);
  put_flag(to, boot.has_command_line);
  put_text(to, boot.command_line);
  put_flag(to, boot.shows_nested_vms);
  to.put(boot.oem_strings);
}

void get_boot(Reader& from, VmBoot& boot) {
  boot.is_guests = get_flag(from);
  from.get(boot.kernel_format);
  from.get(boot.initramfs_path);
  from.get(boot.firmware_path);
  boot.has_command_line = get_flag(from);
  from.get(boot.command_line);
  boot.shows_nested_vms = get_flag(from);
  from.get(boot.oem_strings);
}

}  // namespace

std::vector<std::byte> encode_frame(VmmFrame type, Writer payload) {
  Writer whole;
  whole.put(static_cast<uint32_t>(payload.bytes().size()));
  whole.put(type);
  whole.put(uint16_t{0});
  whole.bytes().insert(whole.bytes().end(), payload.bytes().begin(), payload.bytes().end());
  return std::move(whole.bytes());
}

std::vector<std::byte> encode(const VmConfig& config) {
  Writer to;
  to.put(config.cpus);
  to.put(config.memory_mib);
  for (const std::string* text :
       {&config.kernel_path, &config.init_path, &config.agent_path, &config.bundle_reader_path, &config.console_path,
        &config.extra_command_line, &config.root_path, &config.root_tag})
    put_text(to, *text);
  to.put(config.root);
  put_injected(to, config.root_injected);
  to.put(config.root_dax_window_mib);
  put_shares(to, config.shares);
  put_disks(to, config.disks);
  put_ports(to, config.vsock_ports);
  put_networks(to, config.networks);
  put_tsi(to, config.tsi);
  put_consoles(to, config.consoles);
  put_vhost_user(to, config.vhost_user);
  to.put(config.timeout_ms);
  to.put(config.log_level);
  to.put(config.began_ns);
  put_flag(to, config.has_input);
  put_boot(to, config.boot);
  put_sandbox(to, config.sandbox);
  put_message(to, config.start);
  return encode_frame(VmmFrame::kConfig, std::move(to));
}

bool decode(std::span<const std::byte> payload, VmConfig& config) {
  Reader from(payload);
  from.get(config.cpus);
  from.get(config.memory_mib);
  for (std::string* text : {&config.kernel_path, &config.init_path, &config.agent_path, &config.bundle_reader_path,
                            &config.console_path, &config.extra_command_line, &config.root_path, &config.root_tag})
    from.get(*text);
  from.get(config.root);
  get_injected(from, config.root_injected);
  from.get(config.root_dax_window_mib);
  bool known = get_shares(from, config.shares);
  known = get_disks(from, config.disks) && known;
  get_ports(from, config.vsock_ports);
  known = get_networks(from, config.networks) && known;
  get_tsi(from, config.tsi);
  get_consoles(from, config.consoles);
  get_vhost_user(from, config.vhost_user);
  from.get(config.timeout_ms);
  from.get(config.log_level);
  from.get(config.began_ns);
  config.has_input = get_flag(from);
  get_boot(from, config.boot);
  if (!get_sandbox(from, config.sandbox)) return false;
  return get_message(from, config.start) && from.done() && config.root <= RootKind::kNone && known;
}

std::vector<std::byte> encode(const Ended& ended) {
  Writer to;
  to.put(ended.kind);
  put_message(to, ended.exited);
  put_text(to, ended.detail);
  put_text(to, ended.console_tail);
  put_list(to, ended.phases, [&](const VmPhase& phase) {
    put_text(to, phase.name);
    put_flag(to, phase.in_guest);
    to.put(phase.begin_ns);
    to.put(phase.end_ns);
  });
  to.put(ended.guest_faults);
  return encode_frame(VmmFrame::kEnded, std::move(to));
}

bool decode(std::span<const std::byte> payload, Ended& ended) {
  Reader from(payload);
  from.get(ended.kind);
  if (!get_message(from, ended.exited)) return false;
  from.get(ended.detail);
  from.get(ended.console_tail);
  get_list(from, ended.phases, 21, [&](VmPhase& phase) {
    from.get(phase.name);
    phase.in_guest = get_flag(from);
    from.get(phase.begin_ns);
    from.get(phase.end_ns);
  });
  from.get(ended.guest_faults);
  return from.done() && ended.kind <= VmEnd::kStopped;
}

std::vector<std::byte> encode(const Failed& failed) {
  Writer to;
  to.put(failed.code);
  to.put(failed.sys_errno);
  put_text(to, failed.what);
  return encode_frame(VmmFrame::kFailed, std::move(to));
}

bool decode(std::span<const std::byte> payload, Failed& failed) {
  Reader from(payload);
  from.get(failed.code);
  from.get(failed.sys_errno);
  from.get(failed.what);
  return from.done();
}

std::vector<std::byte> encode_log(uint8_t level, std::string_view line) {
  Writer to;
  to.put(level);
  to.put(line);
  return encode_frame(VmmFrame::kLog, std::move(to));
}

bool decode_log(std::span<const std::byte> payload, uint8_t& level, std::string& line) {
  Reader from(payload);
  from.get(level);
  from.get(line);
  return from.done();
}

std::vector<std::byte> encode_answer(VmmFrame type, std::string_view failure) {
  Writer to;
  to.put(failure);
  return encode_frame(type, std::move(to));
}

bool decode_answer(std::span<const std::byte> payload, std::string& failure) {
  Reader from(payload);
  from.get(failure);
  return from.done();
}

}  // namespace cloche::wire
