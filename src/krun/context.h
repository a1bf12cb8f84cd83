// Context: what a program has said about a VM so far, by its id. The functions of libkrun.h fill it in; start.cc turns
// it into a Config.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cloche/config.h"

namespace cloche::krun {

// An entry of krun_fs_add_overlay_*().
struct Overlay {
  std::string path{};
  bool is_directory = false;
  const uint8_t* data = nullptr;  // The caller's, until the VM is started.
  size_t size = 0;
  uint32_t mode = 0;
  bool one_shot = false;
};

struct FileSystem {
  std::string tag{};
  std::optional<std::string> path{};  // Without: an empty one.
  uint64_t window_bytes = 0;
  bool read_only = false;
  std::vector<Overlay> overlays{};
};

// The three descriptors of a console; -1 is none.
struct ConsoleStreams {
  int input = -1, output = -1, error = -1;
};

// A virtio-console that was added; its id is its place among them.
struct AddedConsole {
  enum class Kind : uint8_t { kDefault, kMultiport };
  Kind kind = Kind::kDefault;
  ConsoleStreams streams{};               // For kDefault.
  std::vector<GuestConsolePort> ports{};  // For kMultiport.
};

// implicit: there unless something else makes it unnecessary.
enum class VsockChoice : uint8_t { kImplicit, kDisabled, kExplicit };

// A root on a disk; its file system's type is empty where the kernel is to find it.
struct RootDisk {
  uint32_t number = 0;
  std::string file_system{}, mount_options{};
};

struct Context {
  uint32_t cpus = 1;
  uint64_t memory_mib = 128;
  // What runs.
  std::optional<std::string> program{};
  std::vector<std::string> arguments{};                   // Without the program's name.
  std::optional<std::vector<std::string>> environment{};  // Without: it was never set.
  std::optional<std::string> working_directory{};
  std::vector<Limit> limits{};
  std::vector<std::string> limit_words{};  // The same as they were said.
  std::optional<uint32_t> uid{}, gid{};
  // What it sees.
  std::vector<FileSystem> file_systems{};
  std::vector<Disk> disks{};
  std::string old_root_disk{}, old_data_disk{};  // krun_set_root_disk(), krun_set_data_disk()
  std::optional<RootDisk> root_disk{};
  std::string kernel_path{}, extra_command_line{};
  KernelFormat kernel_format = KernelFormat::kByContents;
  std::string initramfs_path{}, firmware_path{};
  std::vector<std::string> smbios_oem_strings{};
  std::optional<std::string> command_line{};  // krun_set_kernel()'s
  bool has_implicit_init = true;
  NestedVms nested_vms = NestedVms::kHidden;
  std::optional<KernelImage> bundle{};  // libkrunfw.so.5's, where there is one.
  std::optional<std::string> console_path{};
  bool has_implicit_console = true;
  std::vector<AddedConsole> consoles{};
  std::vector<GuestConsole> serial_consoles{};
  std::vector<VhostUserDevice> vhost_user{};
  // Its ways out.
  VsockChoice vsock = VsockChoice::kImplicit;
  uint32_t tsi_features = 0;
  std::vector<VsockPort> ports{};
  std::vector<Network> networks{};
  std::optional<Network> old_network{};             // krun_set_passt_fd() or krun_set_gvproxy_path().
  std::optional<std::array<uint8_t, 6>> old_mac{};  // krun_set_net_mac()
  std::optional<std::vector<PublishedPort>> port_map{};
};

// Calls `act` with the context of this id, which nobody else uses meanwhile; -ENOENT where there is none. What `act`
// throws, which is no memory, is -ENOMEM.
int32_t with_context(uint32_t id, const std::function<int32_t(Context&)>& act);
// The context leaves the list.
std::optional<Context> take_context(uint32_t id);

// The words of an array that ends with NULL. Nothing: it is NULL, or has more than 4096.
std::optional<std::vector<std::string>> words_of(const char* const array[]);

}  // namespace cloche::krun
