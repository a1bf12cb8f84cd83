// The host's files, reached through descriptors only: a name is used once, as one component beneath an open directory,
// and whatever was found is from then on known by its descriptor.
#pragma once

#include <sys/stat.h>

#include <cstdint>

#include "base/fd.h"
#include "devices/fs/outcome.h"

namespace cloche::fs {

using HostStat = struct statx;

// True for one path component: not empty, not "." or "..", no '/', at most 255 bytes (ENAMETOOLONG otherwise).
Outcome<void> check_component(const char* name);

// Opens `name`, one component, beneath `directory`. Never follows a symlink, never leaves the directory.
Outcome<Fd> open_beneath(const Fd& directory, const char* name, int flags, uint32_t mode = 0);
// What `file` is, or what `name`, one component, is in that directory; with STATX_MNT_ID where the kernel knows it
// (Linux 5.8), 0 otherwise.
Outcome<HostStat> stat_of(const Fd& file, const char* name = "");
// What kind of file system a file lies on.
enum class FileSystem : uint8_t {
  kLocal,            // Known to keep its files on this host: close() reports nothing that write() did not.
  kOther,            // Whatever it may be; network file systems report some errors when a file is closed.
  kKernelInterface,  // A door into the host's kernel that holds no data (procfs, sysfs ...): a "regular file" there can
                     // be the memory of this process.
};
FileSystem file_system_of(const Fd& file);

// /proc/self/fd, held open: turns a descriptor into a path that leads to its file and nowhere else. It belongs to the
// process that created it; a child made by fork() must make its own.
class SelfFd {
 public:
  static Result<SelfFd> create();

  // Opens the file behind a descriptor once more. The caller knows it to be a regular file or a directory: opening
  // anything else could block, or act on a device.
  Outcome<Fd> reopen(const Fd& file, int flags) const;
  Outcome<void> change_mode(const Fd& file, uint32_t mode) const;
  Outcome<void> link(const Fd& file, const Fd& directory, const char* name) const;

 private:
  explicit SelfFd(Fd directory) : directory_(std::move(directory)) {}
  Fd directory_;
};

// Whom a new file shall belong to, in the host's ids, and the umask of who makes it.
struct Maker {
  uint32_t uid = 0, gid = 0;
  uint32_t umask = 0;
};

// While it lives, what this thread creates belongs to its maker and gets the mode asked for less the maker's umask; in
// a directory with a default ACL that one counts instead, which is why the host applies the umask and not we. Where the
// thread's user is not root, new files belong to that user.
//
// The identity is switched for the act itself (setfsuid), as a chown afterwards would have to find the new directory by
// its name and could be led to another. Capabilities stay: the guest's kernel has checked permissions with groups we do
// not know of.
class Creator {
 public:
  enum class Identity { kOwn, kRequested };  // kRequested needs root.

  Creator(Identity identity, const Maker& maker);
  ~Creator();
  Creator(const Creator&) = delete;
  Creator& operator=(const Creator&) = delete;

  // `mode` as it may be given to a new file that is not a directory: without the set-id bits when the file will belong
  // to somebody else than its maker, who could act as that user by it.
  uint32_t safe_mode(uint32_t mode) const;

  // Gives the calling thread a umask of its own. Once per thread, before the first Creator on it. It also parts the
  // thread's root and working directory from the process's, so it must not happen before the process has jailed itself.
  static void prepare_thread();

 private:
  bool owned_ = true;  // What is made belongs to its maker.
  bool switched_ = false;
  int old_user_ = 0, old_group_ = 0;
  int death_signal_ = 0;
};

// How many descriptors the files of a share may take: this process's limit less what the rest of it needs.
size_t descriptor_budget();

// Whether this thread's file-system user is root, so that Creator can switch it.
bool acts_as_root();

}  // namespace cloche::fs
