// Checks: the frame of fs_posix. A case runs in an empty directory of its own; each check compares what the kernel did
// with what POSIX or Linux's manual says, and leaves one line that is the same on every good file system.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cloche::posix {

// The result of a system call as an errno, 0 for success.
inline int err(long result) { return result < 0 ? errno : 0; }
std::string errno_name(int error);
std::string octal(unsigned value);

enum class Type : uint8_t { kRegular, kDirectory, kFifo, kSocket, kSymlink, kBlock, kCharacter };
inline constexpr std::array<Type, 7> kTypes{Type::kRegular, Type::kDirectory, Type::kFifo,     Type::kSocket,
                                            Type::kSymlink, Type::kBlock,     Type::kCharacter};

enum class Devices : uint8_t { kNo, kYes };

class Checks {
 public:
  Checks(std::string name, int lines, Devices devices)
      : name_(std::move(name)), lines_(lines), types_(std::span(kTypes).first(devices == Devices::kYes ? 7 : 5)) {}

  // A call's errno.
  void is(std::string_view what, int error, int expected) { compare(what, errno_name(error), errno_name(expected)); }
  void ok(std::string_view what, int error) { is(what, error, 0); }
  void equal(std::string_view what, long got, long expected) {
    compare(what, std::to_string(got), std::to_string(expected));
  }
  void text(std::string_view what, std::string_view got, std::string_view expected) { compare(what, got, expected); }
  void yes(std::string_view what, bool got) { compare(what, got ? "yes" : "no", "yes"); }

  // The types of files that can be made here: with device nodes or without.
  std::span<const Type> types() const { return types_; }

  int passed() const { return passed_; }
  int failed() const { return failed_; }

 private:
  void compare(std::string_view what, std::string_view got, std::string_view expected);

  std::string name_;
  int lines_;  // The descriptor that takes the answers.
  std::span<const Type> types_;
  int passed_ = 0, failed_ = 0;
};

enum class Needs : uint8_t { kNothing, kRoot, kDevices, kUserXattr, kRootAndXattr, kTmpfile, kWhiteout, kDirect };

struct Case {
  const char* name;
  Needs needs;
  void (*run)(Checks& check);
};

// Each group of cases, a file each.
std::vector<Case> chmod_cases(), chown_cases(), open_cases(), make_cases(), link_cases(), rename_cases(),
    symlink_cases(), truncate_cases(), time_cases(), name_cases(), xattr_cases(), io_cases(), space_cases(),
    dir_cases(), lock_cases(), map_cases(), sticky_cases(), special_cases(), access_cases(), path_cases();

// --- What the cases share -------------------------------------------------------------------------------------------

inline constexpr uid_t kUser = 65534, kOther = 65533;

const char* name_of(Type type);
// Makes a file of that type, mode 0644 (0755 for a directory), whatever the umask.
int make(Type type, const std::string& path);
int remove_any(const std::string& path);

// Runs `act` as another user with exactly these groups; needs root. Only this thread changes.
struct Identity {
  uid_t uid = kUser;
  gid_t gid = kUser;
  std::vector<gid_t> groups{};
};
void as(const Identity& who, const std::function<void()>& act);

struct stat status(const std::string& path);  // lstat(); all zero where there is none.
inline unsigned mode_of(const std::string& path) { return status(path).st_mode & 07777; }
// "UID:GID".
std::string owner_of(const std::string& path);
std::string contents(const std::string& path);
void put(const std::string& path, std::string_view data);
// A descriptor that closes itself.
class File {
 public:
  File(const std::string& path, int flags, mode_t mode = 0644) : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {
    error_ = fd_ < 0 ? errno : 0;
  }
  ~File() { close(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }
  int error() const { return error_; }
  int close() {
    int failed = fd_ < 0 ? 0 : err(::close(fd_));
    fd_ = -1;
    return failed;
  }

 private:
  int fd_;
  int error_ = 0;
};

// The times of a file at a moment, all of them before whatever happens next.
class Moment {
 public:
  explicit Moment(std::string path);
  // Which of "atime", "mtime", "ctime" are others now, atime left out unless asked for: "mtime ctime".
  std::string changed(bool with_access = false) const;

 private:
  std::string path_;
  struct stat before_;
};

// A name of that many bytes.
inline std::string long_name(size_t size) { return std::string(size, 'x'); }

}  // namespace cloche::posix
