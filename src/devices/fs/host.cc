#include "devices/fs/host.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/self_fd.h"

namespace cloche::fs {
namespace {

constexpr size_t kMaxNameBytes = 255;           // NAME_MAX of every file system Linux writes.
constexpr uid_t kAsk = static_cast<uid_t>(-1);  // setfsuid() and setfsgid() only answer then.

// File systems that linux/magic.h does not list.
constexpr uint32_t kConfigFs = 0x62656570, kFuseControl = 0x65735543, kNfsd = 0x6e667364, kRpcPipe = 0x67596969;
// clang-format off
constexpr std::array<uint32_t, 25> kKernelInterfaces{
    PROC_SUPER_MAGIC, SYSFS_MAGIC, kConfigFs, OPENPROM_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC, BPF_FS_MAGIC,
    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, RDTGROUP_SUPER_MAGIC, NSFS_MAGIC, BINFMTFS_MAGIC,
    SECURITYFS_MAGIC, SELINUX_MAGIC, SMACK_MAGIC, AAFS_MAGIC,
    PSTOREFS_MAGIC, EFIVARFS_MAGIC, USBDEVICE_SUPER_MAGIC, DEVPTS_SUPER_MAGIC, BINDERFS_SUPER_MAGIC, XENFS_SUPER_MAGIC,
    kFuseControl, kNfsd, kRpcPipe};
// clang-format on

constexpr std::array<uint32_t, 5> kLocal{EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC,
                                         TMPFS_MAGIC};

// A descriptor's name below /proc/self/fd.
struct FdName {
  explicit FdName(const Fd& file) { *std::to_chars(text.data(), text.data() + text.size() - 1, file.get()).ptr = '\0'; }
  const char* c_str() const { return text.data(); }
  std::array<char, 16> text{};
};

struct Capabilities {
  __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3]{};

  bool load() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    return ::syscall(SYS_capget, &header, words) == 0;
  }
  // Best effort: where the jail took a capability away meanwhile, the host's permission check decides.
  void restore() const {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    static_cast<void>(::syscall(SYS_capset, &header, words));
  }
};

}  // namespace

Outcome<void> check_component(const char* name) {
  size_t size = std::strlen(name);
  if (size > kMaxNameBytes) return refuse(ENAMETOOLONG);
  if (size == 0 || std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) return refuse(EINVAL);
  if (std::memchr(name, '/', size) != nullptr) return refuse(EINVAL);
  return {};
}

Outcome<Fd> open_beneath(const Fd& directory, const char* name, int flags, uint32_t mode) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_NOFOLLOW | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
  long fd;
  do {
    fd = ::syscall(SYS_openat2, directory.get(), name, &how, sizeof how);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return refuse_errno();
  return Fd(static_cast<int>(fd));
}

Outcome<HostStat> stat_of(const Fd& file, const char* name) {
  HostStat stat{};
  constexpr unsigned kWanted = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID;
  if (::statx(file.get(), name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, kWanted, &stat) < 0) {
    return refuse_errno();
  }
  if ((stat.stx_mask & STATX_MNT_ID) == 0) stat.stx_mnt_id = 0;
  return stat;
}

FileSystem file_system_of(const Fd& file) {
  struct statfs stat{};
  if (::fstatfs(file.get(), &stat) < 0) return FileSystem::kKernelInterface;  // What cannot be told apart is not shown.
  auto type = static_cast<uint32_t>(stat.f_type);
  if (std::ranges::find(kKernelInterfaces, type) != kKernelInterfaces.end()) return FileSystem::kKernelInterface;
  return std::ranges::find(kLocal, type) != kLocal.end() ? FileSystem::kLocal : FileSystem::kOther;
}

Result<SelfFd> SelfFd::create() { return SelfFd(TRY(open_self_fd())); }

Outcome<Fd> SelfFd::reopen(const Fd& file, int flags) const {
  int fd;
  do {
    fd = ::openat(directory_.get(), FdName(file).c_str(), flags | O_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return refuse_errno();
  return Fd(fd);
}

Outcome<void> SelfFd::change_mode(const Fd& file, uint32_t mode) const {
  if (::fchmodat(directory_.get(), FdName(file).c_str(), mode, 0) < 0) return refuse_errno();
  return {};
}

Outcome<void> SelfFd::link(const Fd& file, const Fd& directory, const char* name) const {
  // The link followed is procfs's; the file behind it is final even when it is a symlink itself.
  if (::linkat(directory_.get(), FdName(file).c_str(), directory.get(), name, AT_SYMLINK_FOLLOW) < 0) {
    return refuse_errno();
  }
  return {};
}

Creator::Creator(Identity identity, const Maker& maker) {
  ::umask(maker.umask & 0777);
  if (identity == Identity::kOwn) {
    owned_ = maker.uid == ::geteuid() && maker.gid == ::getegid();
    return;
  }
  if (maker.uid == 0 && maker.gid == 0) return;
  Capabilities before;
  owned_ = before.load();
  if (!owned_) return;
  switched_ = true;
  // A change of identity also clears the signal that tells this process of its parent's death.
  static_cast<void>(::prctl(PR_GET_PDEATHSIG, &death_signal_));
  old_group_ = ::setfsgid(maker.gid);
  old_user_ = ::setfsuid(maker.uid);
  // An id that is not mapped in our user namespace changes nothing: the file is then ours.
  owned_ = static_cast<uint32_t>(::setfsgid(kAsk)) == maker.gid && static_cast<uint32_t>(::setfsuid(kAsk)) == maker.uid;
  before.restore();
}

Creator::~Creator() {
  if (!switched_) return;
  Capabilities before;
  bool known = before.load();
  ::setfsuid(static_cast<uid_t>(old_user_));
  ::setfsgid(static_cast<gid_t>(old_group_));
  // Becoming root again raises capabilities of its own accord; it shall not raise more than there were.
  if (known) before.restore();
  if (death_signal_ != 0) static_cast<void>(::prctl(PR_SET_PDEATHSIG, death_signal_));
}

uint32_t Creator::safe_mode(uint32_t mode) const {
  return owned_ ? mode & 07777 : mode & 07777 & ~static_cast<uint32_t>(S_ISUID | S_ISGID);
}

void Creator::prepare_thread() {
  // Where it is forbidden (a seccomp filter), the process's umask is what changes; nothing else in it makes files.
  static_cast<void>(::unshare(CLONE_FS));
}

size_t descriptor_budget() {
  constexpr size_t kReserved = 256;  // For the rest of the process, when the guest has taken all it can.
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
  size_t most = static_cast<size_t>(limit.rlim_cur);
  return most > 2 * kReserved ? most - kReserved : most / 2;
}

bool acts_as_root() { return ::setfsuid(kAsk) == 0; }

}  // namespace cloche::fs
