// Options: how a share behaves.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "devices/fs/id_map.h"
#include "devices/fs/open_paths.h"

namespace cloche::fs {

// What the guest keeps of names, attributes and contents before it asks again.
enum class Cache : uint8_t {
  kNone,    // Nothing: each read and look sees what the host has now. Shared writable mappings do not work then.
  kAuto,    // Contents until the file's time or size is seen to have changed; names and attributes for the timeouts.
  kAlways,  // Everything, as nobody else changes the share; what the guest writes reaches the host some time later.
};

enum class DeviceNodes : uint8_t {
  kRefused,  // One on the host is a door to the host's devices, for whoever opens it there.
  kAllowed,
};

enum class Acls : uint8_t {
  kIgnored,   // The guest neither sees nor sets them; the host's file system applies those it has.
  kEnforced,  // The guest's kernel reads them (a request more for each file) and checks permissions by them.
};

enum class LockScope : uint8_t {
  kGuest,  // Between the guest's processes only, kept by its kernel.
  kHost,   // Held on the host's files, so that they count between guests and against the host's programs.
};

// How much the guest may add to a share, beyond what it holds when the VM starts.
struct QuotaLimits {
  std::optional<uint64_t> bytes{};
  std::optional<uint64_t> inodes{};
};

// A file or directory that the guest finds in a share and the host does not have, read-only; it hides a host file of
// the same name.
struct Injection {
  enum class Kind : uint8_t { kFile, kDirectory };
  enum class Lookups : uint8_t {
    kAny,
    kOne,  // It is gone after the first that finds it. Files only.
  };
  std::string path{};  // Beneath the share's root; its directory is on the host, or was injected before it.
  Kind kind = Kind::kFile;
  std::string contents{};  // Of a file.
  uint32_t mode = 0444;
  Lookups lookups = Lookups::kAny;
};

struct Options {
  std::string tag;         // What the guest mounts it by: 1 to 36 bytes.
  bool read_only = false;  // Every request that would change something is answered EROFS and does not reach the host.
  Cache cache = Cache::kAuto;
  // How long the guest may trust a name, and a file's attributes, before it asks again: for kAuto.
  std::chrono::milliseconds entry_timeout{1000};
  std::chrono::milliseconds attribute_timeout{1000};
  DeviceNodes device_nodes = DeviceNodes::kRefused;
  Acls acls = Acls::kIgnored;
  LockScope locks = LockScope::kGuest;
  IdMap users{}, groups{};
  QuotaLimits quota{};
  Descriptors descriptors = Descriptors::among(1);
  std::vector<Injection> injected{};
  uint64_t dax_window_bytes = 0;  // Of the window through which the guest maps files; a multiple of 2 MiB. 0: none.
  // Where given: takes the code that a libkrun's init tells as it ends, by an ioctl of the share's root. Called on the
  // device's thread.
  std::function<void(uint32_t code)> take_exit_code{};
};

}  // namespace cloche::fs
