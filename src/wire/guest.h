// What the VMM and cloche-init say to each other over vsock.
//
// PID 1 connects to CID 2, kControlPort, and says Hello; the host answers with Start. Then the guest connects the
// streams that Start names, runs the command, sends Exited when every byte of output has been handed over, and waits
// for the host to end the VM (it powers off by itself if the connection closes). On the control connection each message
// is a FrameHeader and its payload.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wire/codec.h"

namespace cloche::wire {

inline constexpr uint32_t kHostCid = 2;
inline constexpr uint32_t kControlPort = 1;
inline constexpr uint32_t kStdinPort = 2;   // The guest reads; end of file is the host's half close.
inline constexpr uint32_t kStdoutPort = 3;  // The guest writes; it half-closes after the last byte.
inline constexpr uint32_t kStderrPort = 4;
inline constexpr uint32_t kTerminalPort = 5;  // Both ways: the master side of the guest's terminal.

inline constexpr uint16_t kProtocolVersion = 1;
inline constexpr uint32_t kMaxFrameBytes = 16 << 20;  // Largest payload either side accepts.

enum class FrameType : uint16_t {
  kHello = 1,   // guest -> host, first
  kStart = 2,   // host -> guest
  kExited = 3,  // guest -> host, last
  kSignal = 4,  // host -> guest: u32 number, to the command's process group
  kResize = 5,  // host -> guest: u16 rows, u16 columns
};

struct FrameHeader {  // As it lies on the wire.
  static constexpr size_t kSize = 8;
  uint32_t payload_size = 0;
  FrameType type = FrameType::kHello;
  uint16_t reserved = 0;  // Zero.
};

struct Hello {
  uint16_t version = kProtocolVersion;
  uint64_t boot_ns = 0;  // CLOCK_MONOTONIC of the guest when PID 1 began.
};

struct Mount {
  std::string tag;   // virtio-fs tag.
  std::string path;  // Absolute, in the guest's root.
  bool read_only = false;
  bool is_file = false;  // The share holds one file, kSingleFileName: it alone is bound at `path`.
};
inline constexpr const char* kSingleFileName = "file";

inline constexpr const char* kAgentPath = "/agent";

struct ResourceLimit {
  uint32_t resource = 0;  // RLIMIT_* of x86_64 Linux.
  uint64_t soft = 0;      // UINT64_MAX: unlimited.
  uint64_t hard = 0;
};

struct Interface {        // eth0, eth1 ... in order.
  bool has_dhcp = false;  // It gets its address by DHCP before the command begins.
};

struct Impersonation {      // Of sockets (TSI): programs of the guest use the host's.
  bool is_on = false;       // The guest needs an address that is not its loopback's.
  std::string resolv_conf;  // Contents of /etc/resolv.conf; empty: what is there stays.
};

enum class Streams : uint8_t {
  kPipes = 0,     // stdin, stdout, stderr apart
  kTerminal = 1,  // one terminal for all three
};

// Where what the command writes to the root goes.
enum class RootWrites : uint8_t {
  kPrivate = 0,  // a private overlay in memory
  kRefused = 1,  // nowhere: it is read-only
  kKept = 2,     // to the host, or to the disk
};

struct RootDevice {
  std::string path;     // "/dev/vda". Empty: none.
  std::string type;     // Of its file system; empty: each that the kernel knows is tried.
  std::string options;  // As mount(8) takes them with -o.
};

struct Start {
  std::string root_tag;  // virtio-fs tag of the root file system.
  RootWrites root_writes = RootWrites::kPrivate;
  RootDevice root_device;  // In place of root_tag.
  bool has_disks = false;  // File systems on them, or of another process's, are to be left clean.
  std::vector<Mount> mounts;
  std::string hostname;
  std::vector<std::string> arguments;    // argv; the first is looked up in PATH of `environment` when it has no slash.
  bool is_agent = false;                 // The command is kAgentPath of the initramfs, whatever its name.
  std::vector<std::string> environment;  // "NAME=value"
  std::string working_directory;         // Absolute; created when missing and the root is writable.
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<ResourceLimit> limits;
  std::vector<Interface> interfaces;
  Impersonation impersonation;
  Streams streams = Streams::kPipes;
  bool has_stdin = false;  // Without: the command's stdin is /dev/null (kPipes only).
  uint16_t rows = 24;
  uint16_t columns = 80;
  uint64_t realtime_ns = 0;  // CLOCK_REALTIME of the host as Start was sent.
};

enum class ExitKind : uint8_t {
  kExited = 0,       // value: the exit code
  kSignaled = 1,     // value: the signal
  kNotFound = 2,     // the command is not there; value: errno, what: the command
  kNotRunnable = 3,  // it may not or cannot be executed; value: errno
  kFailed = 4,       // cloche-init could not prepare it; value: errno, what: the step ("mount share /data")
};

struct Exited {
  ExitKind kind = ExitKind::kExited;
  uint32_t value = 0;
  std::string what;
  std::string unsaved{};  // Disks that have stopped with something that was written to them: "/dev/vda, /dev/vdb".
  // Guest CLOCK_MONOTONIC in ns: PID 1 began, Start arrived, root and shares mounted, command exec'ed, command ended,
  // output handed over. 0 for what was not reached.
  uint64_t began_ns = 0, started_ns = 0, mounted_ns = 0, executed_ns = 0, ended_ns = 0, drained_ns = 0;
};

// A whole frame, ready to send.
std::vector<std::byte> encode(const Hello& hello);
std::vector<std::byte> encode(const Start& start);
std::vector<std::byte> encode(const Exited& exited);
std::vector<std::byte> encode_signal(uint32_t number);
std::vector<std::byte> encode_resize(uint16_t rows, uint16_t columns);

// The header from its kSize bytes; false when the payload would be over kMaxFrameBytes or reserved is not zero.
bool decode_header(std::span<const std::byte> bytes, FrameHeader& header);
// From a payload; false when it is not exactly such a message.
bool decode(std::span<const std::byte> payload, Hello& hello);
bool decode(std::span<const std::byte> payload, Start& start);
bool decode(std::span<const std::byte> payload, Exited& exited);
bool decode_signal(std::span<const std::byte> payload, uint32_t& number);
bool decode_resize(std::span<const std::byte> payload, uint16_t& rows, uint16_t& columns);

}  // namespace cloche::wire
