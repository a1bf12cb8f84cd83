// What a Machine is made of: everything decided, every path checked, nothing left to guess.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "arch/x86_64/cpu.h"
#include "base/fd.h"
#include "base/log.h"
#include "boot/kernel_image.h"
#include "devices/block/block.h"
#include "devices/console_ports.h"
#include "devices/fs/fs.h"
#include "devices/net/net.h"
#include "devices/vhost_user/front_end.h"
#include "devices/vsock/tsi_options.h"
#include "wire/guest.h"

namespace cloche {

struct MachineShare {
  fs::Options options;
  fs::Node root;
  bool tells_exit = false;  // A guest's own first program may tell its exit code through it.
};

// How the guest begins.
struct MachineBoot {
  // Whose program the kernel starts first.
  enum class Into : uint8_t {
    kCloche,
    kGuests,  // No word comes from it; the VM has ended when it restarts.
  };
  Into into = Into::kCloche;
  boot::FileFormat kernel_format = boot::FileFormat::kByContents;
  std::vector<std::string> oem_strings{};  // Of the SMBIOS; none with firmware.
  // For kGuests.
  std::string initramfs_path{};               // Empty: none.
  std::string firmware_path{};                // In the place of the kernel. Empty: none.
  std::optional<std::string> command_line{};  // Before the devices; without: ours.
  x86_64::NestedVms nested_vms = x86_64::NestedVms::kHidden;
};

struct MachineNetwork {
  net::Options options;
  std::unique_ptr<net::BackEnd> back_end;
};

struct MachineDisk {
  block::Options options;
  std::unique_ptr<block::Disk> image;
};

// Ports of the guest's virtio-console, or a UART with one.
struct MachineConsole {
  bool is_serial = false;
  std::vector<ConsolePort> ports;
};

struct MachineVhostUser {
  vhost_user::Options options;
  vhost_user::BackEnd back_end;
};

struct MachineConfig {
  unsigned cpus = 1;
  uint64_t memory_mib = 512;
  std::string kernel_path;
  std::string init_path;           // cloche-init, the guest's PID 1.
  std::string agent_path;          // cloche-agent, for a start.is_agent. Else empty.
  std::string bundle_reader_path;  // The program that opens a libkrunfw library for us.
  std::string extra_command_line;  // Appended to the kernel's command line.
  MachineBoot boot;
  std::vector<MachineShare> shares;      // wire::Start names them by tag.
  std::vector<MachineNetwork> networks;  // eth0, eth1 ...
  std::vector<MachineDisk> disks;        // vda, vdb ...
  std::vector<MachineConsole> consoles;
  std::vector<MachineVhostUser> vhost_user;
  std::optional<vsock::TsiOptions> tsi;  // The guest's programs use the host's sockets.
  wire::Start start;
  // The command's streams on this side: stdin (or the terminal), stdout, stderr. An empty one is not connected.
  Fd input, output, error;
  Fd console;  // The guest kernel's console goes here too, where given.
  std::optional<std::chrono::milliseconds> timeout;
  // How long somebody may take to read what the guest wrote last, once it has reported its end. Without: for ever.
  std::optional<std::chrono::milliseconds> drain_timeout;
  Log log;
};

}  // namespace cloche
