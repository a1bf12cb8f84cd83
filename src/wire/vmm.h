// What libcloche and the VMM process it starts say to each other.
//
// libcloche starts `cloche-vmm --fd N` with one end of a SOCK_STREAM socketpair at fd N, and the command's standard
// input, output and error at 0, 1 and 2. The first frame is VmConfig; commands follow in that direction, reports come
// back. A closed socket tells the VMM that its starter is gone: it ends the VM, unless that is a sandbox, which says
// kReady when it can be used and then lives on without a starter (wire/control.h). Frames are [u32 payload size][u16
// type][u16 zero][payload], as in wire/guest.h.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "wire/agent.h"
#include "wire/guest.h"

namespace cloche::wire {

enum class VmmFrame : uint16_t {
  kConfig = 64,   // to the VMM, first
  kSignal = 65,   // to the VMM: u32 number, for the command
  kResize = 66,   // to the VMM: u16 rows, u16 columns
  kStop = 67,     // to the VMM: end the VM now
  kPause = 68,    // to the VMM: keep the vCPUs out of the guest; answered by kPaused
  kResume = 69,   // to the VMM: let them in again; answered by kResumed
  kLog = 80,      // from the VMM: u8 level, text
  kStarted = 81,  // from the VMM: the first vCPU is about to run
  kEnded = 82,    // from the VMM, last: Ended
  kReady = 86,    // from the VMM of a sandbox: the guest's agent has answered
  kFailed = 83,   // from the VMM, last: the VM could not be started or run (an Error)
  kPaused = 84,   // from the VMM: text, what kept it from pausing; empty: it is paused
  kResumed = 85,  // from the VMM: text, what kept it from resuming; empty: it runs
};

enum class RootKind : uint8_t {
  kHost = 0,       // the host's own programs
  kDirectory = 1,  // Share 0 is the root
  kDisk = 2,       // start.root_device is
  kEmpty = 3,      // Share 0 is the root: of root_injected alone
  kNone = 4,       // there is none
};

struct VmIdRange {
  uint32_t guest = 0, host = 0, count = 1;
  bool operator==(const VmIdRange&) const = default;
};

struct VmInjectedFile {
  std::string path, contents;
  bool is_directory = false;
  bool once = false;  // Gone after the first lookup.
  uint32_t mode = 0444;
  bool operator==(const VmInjectedFile&) const = default;
};

struct VmShare {
  static constexpr uint64_t kNoQuota = UINT64_MAX;
  std::string tag;
  std::string host_path;  // Absolute. A directory, or a file (is_file: shown as kSingleFileName, the only entry of a
                          // directory).
  bool read_only = false;
  bool is_file = false;
  uint8_t cache = 1;           // Cache of devices/fs/options.h, by number.
  uint32_t timeout_ms = 1000;  // Of names and attributes.
  bool allows_devices = false;
  bool enforces_acls = false;
  bool locks_on_host = false;
  uint64_t quota_bytes = kNoQuota, quota_inodes = kNoQuota;
  std::vector<VmIdRange> users{}, groups{};
  std::vector<VmInjectedFile> injected{};  // A config has to fit into a frame (kMaxFrameBytes), these included.
  uint32_t dax_window_mib = 0;             // 0: none.
  bool is_empty = false;                   // Nothing of the host: `injected` alone.
};

// NetworkKind of cloche/network.h, by number.
enum class VmNetworkKind : uint8_t { kPasst, kStream, kDatagram, kTap };

struct VmNetwork {
  VmNetworkKind kind = VmNetworkKind::kPasst;
  std::string path{};                    // Of the socket, the tap's name, or of the program passt.
  int32_t fd = -1;                       // Instead: a descriptor that the VMM has from its start.
  bool greets = false;                   // As vfkit does; for kDatagram.
  std::vector<std::string> arguments{};  // Of passt, but for its socket.
  std::array<uint8_t, 6> mac{};
  uint64_t offloads = 0;  // Feature bits of virtio-net.
  uint16_t mtu = 0;
  bool operator==(const VmNetwork&) const = default;
};

struct VmDisk {
  std::string path;    // Absolute.
  uint8_t format = 0;  // Format of devices/block/image.h, by number.
  bool read_only = false;
  uint8_t sync = 2;     // Sync of devices/block/host_file.h, by number.
  bool direct = false;  // Past the host's cache.
  std::string serial{};
  std::string backing_path{};  // Absolute. Empty: none.
  uint8_t backing_format = 0;
};

// RestartWhen of cloche/upkeep.h, by number.
enum class VmRestartWhen : uint8_t { kNever, kOnFailure, kAlways };

struct VmRestart {
  static constexpr int32_t kNoLife = -1;
  VmRestartWhen when = VmRestartWhen::kNever;
  uint32_t most = 0;  // For kOnFailure; 0: without end.
  // For a process that goes on after a restart: how many there were, the last pause, and the sandbox's lock.
  uint32_t count = 0;
  uint32_t pause_ms = 0;
  int32_t life_fd = kNoLife;
};

struct VmHealth {
  Exec command{};  // With its timeout. Without arguments: no checks.
  uint64_t interval_ms = 0;
  uint64_t start_period_ms = 0;
  uint32_t retries = 0;
};

// HostLimits of cloche/upkeep.h.
struct VmLimits {
  uint32_t cpu_thousandths = 0;
  uint64_t memory_bytes = 0;
  uint32_t processes = 0;
};

// A socket of the host that leads to kelpie's vsock port of the guest.
struct VmKelpie {
  std::string socket_path;  // Absolute. Empty: none.
  bool listens = true;      // We do, on it, and the guest on the port; else the host's program, and the guest connects.
  bool by_command = false;  // The sandbox's command serves the port, instead of the agent.
};

// A VM that outlives its starter: what its process keeps besides.
struct VmSandbox {
  std::string id;                   // Empty: no sandbox.
  std::string directory;            // Its state and logs.
  std::string run_directory;        // Its lock and its control socket.
  std::string home;                 // Where its events go.
  bool has_command = false;         // Without, the sandbox runs until it is told to stop;
  Exec command;                     // then this only says whose the guest's files are.
  uint32_t stop_grace_ms = 10'000;  // What programs get after SIGTERM when the sandbox ends.
  uint64_t idle_timeout_ms = 0;     // Without a command and a connection: it is stopped. 0: never.
  uint64_t log_bytes = 10 << 20;    // Of a log file before the next one is begun,
  uint32_t log_files = 3;           // and how many are kept.
  VmRestart restart;
  VmHealth health;
  VmLimits limits;
  VmKelpie kelpie;
};

// A port of the guest's vsock and a UNIX socket of the host that lead to each other.
struct VmVsockPort {
  uint32_t port = 0;
  std::string socket_path;  // Absolute.
  bool listens = false;     // We do, on the socket, and the guest on the port; else both the other way round.
};

// VhostUserDevice of cloche/vhost_user.h.
struct VmVhostUser {
  uint32_t type = 0;
  std::string socket_path{};  // Absolute.
  std::string name{};
  uint32_t queues = 0;  // 0: as many as the back end has.
  std::vector<uint16_t> queue_sizes{};
};

// A TCP port of the guest that is one of the host's.
struct VmTsiPort {
  std::string address{};  // Of the host, IPv4.
  uint16_t host_port = 0, guest_port = 0;
  bool operator==(const VmTsiPort&) const = default;
};

// Tsi of cloche/tsi.h.
struct VmTsi {
  bool is_on = false;
  bool has_inet = false;
  bool reaches_loopback = false;
  bool publishes_all = false;
  std::vector<VmTsiPort> ports{};
  std::vector<std::string> unix_directories{};
  bool operator==(const VmTsi&) const = default;
};

// How the guest begins.
struct VmBoot {
  bool is_guests = false;                     // With its own first program, instead of cloche-init.
  uint8_t kernel_format = 0;                  // FileFormat of boot/kernel_image.h, by number.
  std::string initramfs_path, firmware_path;  // Absolute. Empty: none.
  bool has_command_line = false;
  std::string command_line;  // In the place of ours.
  bool shows_nested_vms = false;
  std::vector<std::string> oem_strings;  // Of the SMBIOS.
};

// One of GuestConsolePort of cloche/console.h. The descriptors are those of the VM's process; -1 is none.
struct VmConsolePort {
  std::string name{};
  bool is_terminal = false;
  int32_t input = -1, output = -1;
  bool operator==(const VmConsolePort&) const = default;
};

struct VmConsole {
  bool is_serial = false;
  std::vector<VmConsolePort> ports{};
  bool operator==(const VmConsole&) const = default;
};

struct VmConfig {
  uint32_t cpus = 1;
  uint64_t memory_mib = 512;
  std::string kernel_path, init_path, agent_path, bundle_reader_path;
  std::string console_path;  // Empty: none.
  std::string extra_command_line;
  RootKind root = RootKind::kHost;
  std::string root_path;  // For kDirectory, as are the next two.
  std::vector<VmInjectedFile> root_injected;
  uint32_t root_dax_window_mib = 0;  // 0: none.
  std::string root_tag = "root";     // Of its virtio-fs device.
  std::vector<VmShare> shares;       // Without the root; start.mounts says where they go.
  std::vector<VmDisk> disks;         // vda, vdb ...
  std::vector<VmVsockPort> vsock_ports;
  std::vector<VmNetwork> networks;  // start.interfaces says what the guest does with them.
  VmTsi tsi;
  std::vector<VmConsole> consoles;
  std::vector<VmVhostUser> vhost_user;
  uint64_t timeout_ms = 0;  // 0: none.
  uint8_t log_level = 1;    // LogLevel of base/log.h.
  uint64_t began_ns = 0;    // CLOCK_MONOTONIC when libcloche began, for the timeline.
  bool has_input = false;   // Whether fd 0 is carried to the command.
  VmBoot boot;
  VmSandbox sandbox;
  Start start;
};

// EndKind of machine/exit_report.h, by number.
enum class VmEnd : uint8_t { kReported, kPanic, kInitKilled, kTripleFault, kReset, kTimeout, kCpuError, kStopped };

struct VmPhase {
  std::string name;
  bool in_guest = false;
  uint64_t begin_ns = 0, end_ns = 0;
};

struct Ended {
  VmEnd kind = VmEnd::kReset;
  Exited exited;  // For kReported.
  std::string detail;
  std::string console_tail;
  std::vector<VmPhase> phases;
  uint64_t guest_faults = 0;
};

struct Failed {
  uint8_t code = 0;  // ErrorCode
  int32_t sys_errno = 0;
  std::string what;
};

std::vector<std::byte> encode(const VmConfig& config);
std::vector<std::byte> encode(const Ended& ended);
std::vector<std::byte> encode(const Failed& failed);
std::vector<std::byte> encode_log(uint8_t level, std::string_view line);
// kPaused or kResumed.
std::vector<std::byte> encode_answer(VmmFrame type, std::string_view failure);
// A frame of `type` with a payload that its user builds with a Writer.
std::vector<std::byte> encode_frame(VmmFrame type, Writer payload = {});

// From a payload; false when it is not exactly such a message.
bool decode(std::span<const std::byte> payload, VmConfig& config);
bool decode(std::span<const std::byte> payload, Ended& ended);
bool decode(std::span<const std::byte> payload, Failed& failed);
bool decode_log(std::span<const std::byte> payload, uint8_t& level, std::string& line);
bool decode_answer(std::span<const std::byte> payload, std::string& failure);

}  // namespace cloche::wire
