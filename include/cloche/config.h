// What a VM is made of and what runs in it. One struct per thing, a default beside each field: set what differs.
//
//   cloche::Config config{.arguments = {"python3", "-c", "print(6 * 7)"}, .cpus = 2};
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cloche/console.h"
#include "cloche/network.h"
#include "cloche/tsi.h"
#include "cloche/vhost_user.h"

namespace cloche {

class HeldInstallation;

enum class RootSource : uint8_t {
  kHost,       // The host's own programs and what they need of /etc, read-only; nobody's home, no keys.
  kDirectory,  // A directory that holds a Linux userland.
  kDisk,       // A file system on one of Config::disks.
  kEmpty,      // Nothing but what is injected; nothing can be written there.
  kNone,       // There is none: for FirstProgram::kGuests.
};

enum class Writes : uint8_t {
  kPrivate,  // Go to memory of the VM and are gone with it.
  kRefused,  // Fail with "read-only file system".
  kKept,     // Go to the directory or disk that the root is, and stay there. Not for kHost.
};

enum class Access : uint8_t { kReadWrite, kReadOnly };

// What the guest keeps of a share before it asks the host again.
enum class ShareCache : uint8_t {
  kNone,    // Nothing: every look and read sees what the host has now. Shared mappings of files do not work then.
  kAuto,    // Names and attributes for Share::timeout, contents until a file's time or size has changed.
  kAlways,  // Everything, as nobody else changes the share meanwhile. What the guest writes is kept back, too, until it
            // is synced or the VM ends in an orderly way.
};

// `count` user or group ids from `guest` on in the guest are those from `host` on on the host.
struct IdRange {
  uint32_t guest = 0;
  uint32_t host = 0;
  uint32_t count = 1;
};

// Whether the guest can make device nodes in a share. On the host they are real ones.
enum class DeviceNodes : uint8_t { kRefused, kAllowed };

// Whether the guest sees and enforces the POSIX ACLs of a share. Each file then costs it a request more.
enum class ShareAcls : uint8_t { kIgnored, kEnforced };

// Where the locks of a share's files are kept (fcntl, flock).
enum class ShareLocks : uint8_t {
  kGuest,  // In the guest: they count among its processes.
  kHost,   // On the host: they count for its programs and other guests too. A guest's process that waits for one cannot
           // be interrupted while it does.
};

enum class InjectedKind : uint8_t { kFile, kDirectory };

// How often the guest finds an injected file.
enum class InjectedLookups : uint8_t {
  kAny,
  kOne,  // It is gone once it was looked up by its name, and the host's of that name shows; who has it open, or mapped,
         // keeps it. For files.
};

// A file or directory that the guest finds in a share and that the host does not have: read-only, from memory. It hides
// what the host has by the same name. All that is injected into a VM, with its command's arguments and environment, is
// at most 16 MiB.
struct InjectedFile {
  std::string path{};  // Beneath the share's root. The directory it lies in is on the host, or was injected before it.
  InjectedKind kind = InjectedKind::kFile;
  std::string contents{};  // Of a file.
  uint32_t mode = 0444;    // Permissions. It belongs to root.
  InjectedLookups lookups = InjectedLookups::kAny;
};

// The root file system. Except for Writes::kKept it is never changed on the host.
struct Root {
  RootSource source = RootSource::kHost;
  std::string path{};  // For kDirectory.
  Writes writes = Writes::kPrivate;
  // For kDisk: which of Config::disks, from 0. The file system lies on the whole disk, without partitions.
  uint32_t disk = 0;
  std::string file_system{};    // For kDisk: its type, as "ext4". Empty: each that the guest's kernel knows is tried.
  std::string mount_options{};  // For kDisk: as mount(8) takes them with -o.
  std::vector<InjectedFile> injected{};      // For kDirectory and kEmpty.
  std::optional<uint32_t> dax_window_mib{};  // As Share's.
};

enum class ShareSource : uint8_t {
  kHost,   // What Share::host_path names.
  kEmpty,  // Nothing of the host: a directory with what is injected into it, to which nothing can be written.
};

// A directory or a single file of the host that the guest sees.
struct Share {
  std::string host_path{};   // Relative paths start at the caller's working directory.
  std::string guest_path{};  // Absolute; made in the guest where it is missing.
  Access access = Access::kReadWrite;
  ShareCache cache = ShareCache::kAuto;
  // For kAuto: how long the guest keeps names and attributes. Without: a second.
  std::optional<std::chrono::milliseconds> timeout{};
  // Who is who. Ids outside of all ranges belong to nobody, and the guest can make nothing as them. Without ranges: the
  // same ids on both sides for root; for any other caller, the caller is the command's user.
  std::vector<IdRange> users{};
  std::vector<IdRange> groups{};
  DeviceNodes device_nodes = DeviceNodes::kRefused;
  ShareAcls acls = ShareAcls::kIgnored;
  ShareLocks locks = ShareLocks::kGuest;
  // How many bytes of disk, and how many files, directories and links, the guest may add to what is there. Then it is
  // told EDQUOT; what it removes it may use again. Without: as many as the host has.
  std::optional<uint64_t> quota_bytes{};
  std::optional<uint64_t> quota_inodes{};
  std::vector<InjectedFile> injected{};  // Into a directory.
  // MiB of a window of guest addresses through which the guest maps files straight from the host's page cache (DAX); an
  // even number. A guest can use up as much memory more. Without: files are read into the guest's memory.
  std::optional<uint32_t> dax_window_mib{};
  // Of its virtio-fs device, 36 bytes at most. With one and without a guest_path a directory is not mounted: a program
  // in the guest may do that.
  std::string tag{};
  ShareSource source = ShareSource::kHost;
};

enum class VsockListener : uint8_t {
  kHost,   // A program of the host listens on the socket; who connects to the port in the guest (CID 2) gets to it.
  kGuest,  // A program in the guest listens on the port; who connects to the socket on the host, which the VM's process
           // makes, gets to it.
};

// A port of the guest's vsock and a UNIX socket of the host that lead to each other.
struct VsockPort {
  uint32_t port = 0;  // From 16 on; those below are cloche's own.
  std::string socket_path{};
  VsockListener listener = VsockListener::kHost;
};

// How an image file holds a disk.
enum class DiskFormat : uint8_t {
  // As the file's name ends: .qcow2 and .vmdk are what they say, all else is raw. What is in a file never decides: a
  // guest could write the beginning of a qcow2 image into its raw disk, and name any file of the host there.
  kByName,
  kRaw,
  kQcow2,
  kVmdk,  // "Flat": a description, and the contents in a second file beside it.
};

// What a guest's flush of a disk (fsync) is worth.
enum class DiskSync : uint8_t {
  kNone,     // The guest is told that it need not flush. What it wrote outlives it and the VM's process, not the host.
  kRelaxed,  // The host begins to write to its disk and does not wait. The same; the guest writes in its usual order.
  kFull,     // The host's disk has it.
};

// Whether a disk's contents go through the host's page cache.
enum class DiskCache : uint8_t { kHost, kNone };

// A disk of the guest: /dev/vda, /dev/vdb ... in the order of Config::disks. While a VM may write to an image nobody
// else can use it; several can read it.
struct Disk {
  std::string path{};  // A file or a block device. Relative paths start at the caller's working directory.
  DiskFormat format = DiskFormat::kByName;
  Access access = Access::kReadWrite;
  DiskSync sync = DiskSync::kFull;
  DiskCache cache = DiskCache::kHost;
  std::string serial{};        // What the guest finds in /dev/disk/by-id: at most 20 printable characters of ASCII.
  std::string backing_path{};  // Of a qcow2 image that is made on top of another one: that one. It is only read.
};

// Who the command runs as in the guest.
struct User {
  uint32_t uid = 0;
  std::optional<uint32_t> gid{};  // Without: the user's group in the root's /etc/passwd, or else the number of the uid.
};

// A resource limit of the command, as setrlimit(2) knows it.
struct Limit {
  std::string resource{};  // "nofile", "nproc" ...: the names of limits.conf(5).
  uint64_t soft = 0;       // kUnlimited: none.
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

// Whose program is the first in the guest.
enum class FirstProgram : uint8_t {
  kCloche,  // cloche's own: it mounts the root and the shares and runs the command.
  // The one that the kernel finds in its initramfs, on its root, or where its command line says. cloche knows nothing
  // of what it does: arguments, environment, user, limits, host name, working directory and the guest's places of
  // shares count for nothing; a root is a device with the tag "/dev/root". Where Config::consoles is empty, hvc0 (with
  // firmware ttyS0, and hvc0 for its output) has StandardStreams::input and output. The VM ends when the guest
  // restarts, with the code that a libkrun's init has reported, or 0.
  kGuests,
};

// What holds a kernel, by the file's form.
enum class KernelFormat : uint8_t {
  kByContents,  // An ELF vmlinux, a bzImage or a libkrunfw library: the file says what it is.
  kRaw,         // Code for memory at 2 GiB, entered at its first byte as Linux's 64-bit boot protocol says.
  kBzip2,       // An ELF vmlinux that lies compressed somewhere in the file.
  kGzip,
  kZstd,
};

// A kernel in the caller's memory, as krunfw_get_kernel() of a libkrunfw library gives it.
struct KernelImage {
  std::span<const std::byte> bytes{};  // Copied by Vm::create().
  uint64_t load = 0;                   // The guest's physical address for the first byte,
  uint64_t entry = 0;                  // and of the one at which Linux's 64-bit boot protocol enters.
};

// Whether the guest is shown that its CPU can run VMs, where the host's KVM lets it.
enum class NestedVms : uint8_t { kHidden, kShown };

enum class Verbosity : uint8_t { kError, kWarning, kInfo, kDebug };

struct Config {
  // The command and its arguments; a name without a slash is looked up in the guest's PATH.
  std::vector<std::string> arguments{};
  // What the guest sees at "/".
  Root root{};
  // What it sees besides; a share inside another one lies on top of it, whatever their order.
  std::vector<Share> shares{};
  // Ways between programs of the host and of the guest.
  std::vector<VsockPort> vsock_ports{};
  // Its network interfaces, eth0, eth1 ... Without, it has no network.
  std::vector<Network> networks{};
  // Where given, its programs use the host's sockets. For a kernel that is a libkrunfw library's, and for a Vm, not for
  // a sandbox.
  std::optional<Tsi> tsi{};
  // Its consoles besides the command's streams. For a Vm, not for a sandbox. The kernel's own log, with which they have
  // nothing to do, is on the terminal after them.
  std::vector<GuestConsole> consoles{};
  // Its disks. Only a root is mounted; the others are the command's to use.
  std::vector<Disk> disks{};
  // Devices that other processes serve. For a Vm, not for a sandbox.
  std::vector<VhostUserDevice> vhost_user{};
  // Virtual CPUs, 1 to 16; more than the host has take turns.
  uint32_t cpus = 1;
  // The guest's whole memory in MiB; the host gives what is touched.
  uint64_t memory_mib = 512;
  // The guest's name.
  std::string hostname = "cloche";
  // "NAME=value" each, over PATH, HOME and HOSTNAME (and TERM on a terminal), which are always set.
  std::vector<std::string> environment{};
  // Where the command begins; absolute, and made in the guest where it is missing.
  std::string working_directory = "/";
  // Who the command runs as.
  User user{};
  // Resource limits of the command.
  std::vector<Limit> limits{};
  // The caller's ends of the command's streams.
  StandardStreams streams{};
  // Whether the command reads StandardStreams::input.
  Input input = Input::kNone;
  // Where given, the command has one terminal of this size for all its streams.
  std::optional<TerminalSize> terminal{};
  // Ends the VM that long after its start.
  std::optional<std::chrono::milliseconds> timeout{};
  // The guest's kernel, an ELF vmlinux, a bzImage or a libkrunfw library; empty: cloche's own.
  std::string kernel_path{};
  KernelFormat kernel_format = KernelFormat::kByContents;
  // Where given, in the place of a file. For a Vm, not for a sandbox.
  std::optional<KernelImage> kernel_image{};
  // Appended to the kernel's command line.
  std::string extra_command_line{};
  // Whose program the kernel starts first. Not cloche's own: for a Vm, not for a sandbox.
  FirstProgram first_program = FirstProgram::kCloche;
  // For kGuests: the initramfs; empty: none.
  std::string initramfs_path{};
  // For kGuests: what stands on the kernel's command line before its devices and extra_command_line. Without: the
  // console, and that a panic and the end are restarts.
  std::optional<std::string> command_line{};
  // For kGuests: firmware that ends at 4 GiB and starts at the reset vector, in the place of a kernel.
  std::string firmware_path{};
  // The strings that the guest finds in its SMBIOS, in a structure of type 11, none of them empty: `dmidecode -t 11`,
  // or /sys/firmware/dmi/tables/DMI as root. 255 at most, and 64 KiB together. Not with firmware, which makes its own.
  std::vector<std::string> smbios_oem_strings{};
  NestedVms nested_vms = NestedVms::kHidden;
  // The file that the guest kernel's console is written to; empty: none.
  std::string console_path{};
  // The directory that holds libexec/cloche and share/cloche; empty: found by itself.
  std::string installation{};
  // Where given, instead: for a caller who changes its root directory meanwhile. For a Vm, not for a sandbox.
  std::shared_ptr<const HeldInstallation> held{};
  // What is logged.
  Verbosity verbosity = Verbosity::kWarning;
  // Where to; called on the thread that calls into the Vm, with whole lines of printable text.
  std::function<void(Verbosity, std::string_view line)> log{};
};

}  // namespace cloche
