// What a VM is made of and what runs in it. One struct per thing, a default beside each field: set what differs.
//
//   cloche::Config config{.arguments = {"python3", "-c", "print(6 * 7)"}, .cpus = 2};
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cloche {

enum class RootSource : uint8_t {
  kHost,       // The host's own programs and what they need of /etc, read-only; nobody's home, no keys.
  kDirectory,  // A directory that holds a Linux userland.
};

enum class Writes : uint8_t {
  kPrivate,  // Go to memory of the VM and are gone with it.
  kRefused,  // Fail with "read-only file system".
};

enum class Access : uint8_t { kReadWrite, kReadOnly };

// The root file system. It is never changed on the host.
struct Root {
  RootSource source = RootSource::kHost;
  std::string path{};  // For kDirectory.
  Writes writes = Writes::kPrivate;
};

// A directory or a single file of the host that the guest sees.
struct Share {
  std::string host_path{};   // Relative paths start at the caller's working directory.
  std::string guest_path{};  // Absolute; made in the guest where it is missing.
  Access access = Access::kReadWrite;
};

// Who the command runs as in the guest.
struct User {
  uint32_t uid = 0;
  std::optional<uint32_t> gid{};  // Without: the user's group in the root's /etc/passwd, or else the number of the uid.
};

// A resource limit of the command, as setrlimit(2) knows it.
struct Limit {
  std::string resource{};  // "nofile", "nproc" ...: the names of limits.conf(5).
  uint64_t soft = 0;     // kUnlimited: none.
  uint64_t hard = 0;
};
inline constexpr uint64_t kUnlimited = UINT64_MAX;

struct TerminalSize {
  uint16_t rows = 24;
  uint16_t columns = 80;
};

// The command's streams: file descriptors of the caller, which the VM's process inherits. -1 is /dev/null.
struct StandardStreams {
  int input = 0;
  int output = 1;
  int error = 2;
};

// Whether the command reads StandardStreams::input. Without, its input is /dev/null.
enum class Input : uint8_t { kNone, kCarried };

enum class Verbosity : uint8_t { kError, kWarning, kInfo, kDebug };

struct Config {
  std::vector<std::string> arguments{};  // The command; without a slash it is looked up in the guest's PATH.
  Root root{};
  std::vector<Share> shares{};  // A share inside another one lies on top of it, whatever their order.
  uint32_t cpus = 1;          // 1 to 16; more than the host has take turns.
  uint64_t memory_mib = 512;  // The guest's whole memory; the host gives what is touched.
  std::string hostname = "cloche";
  std::vector<std::string> environment{};  // "NAME=value", over PATH, HOME and HOSTNAME (and TERM), which are always set.
  std::string working_directory = "/";   // Absolute; made in the guest where it is missing.
  User user{};
  std::vector<Limit> limits{};
  StandardStreams streams{};
  Input input = Input::kNone;
  std::optional<TerminalSize> terminal{};  // Where given, the command has one terminal of this size for all its streams.
  std::optional<std::chrono::milliseconds> timeout{};  // Ends the VM that long after its start.
  std::string kernel_path{};                // An ELF vmlinux, a bzImage or a libkrunfw library; empty: cloche's own.
  std::string extra_command_line{};         // Appended to the kernel's command line.
  std::string console_path{};               // The guest kernel's console is written to this file; empty: nowhere.
  std::string installation{};               // The directory with libexec/cloche and share/cloche; empty: found by itself.
  Verbosity verbosity = Verbosity::kWarning;
  std::function<void(Verbosity, std::string_view line)> log{};  // Called on the thread that calls into the Vm.
};

}  // namespace cloche
